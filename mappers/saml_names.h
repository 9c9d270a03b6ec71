/* Names of the attributes that XUA and XSPA give. Source: ITI TF-2 3.40.4.1.2.1, XSPA profile of SAML 1.0. */
#ifndef PASSERELLE_SAML_NAMES_H
#define PASSERELLE_SAML_NAMES_H

#define SAML_SUBJECT_NAME    "urn:oasis:names:tc:xspa:1.0:subject:subject-id"
#define SAML_ORGANIZATION    "urn:oasis:names:tc:xspa:1.0:subject:organization"
#define SAML_ORGANIZATION_ID "urn:oasis:names:tc:xspa:1.0:subject:organization-id"
#define SAML_ROLE            "urn:oasis:names:tc:xacml:2.0:subject:role"
#define SAML_PURPOSE         "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
#define SAML_PROVIDER_ID     "urn:oasis:names:tc:xspa:1.0:subject:npi"
#define SAML_HOME_COMMUNITY  "urn:ihe:iti:xca:2010:homeCommunityId"
#define SAML_PATIENT         "urn:oasis:names:tc:xacml:2.0:resource:resource-id"

#endif
