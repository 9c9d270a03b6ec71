/* What one DocumentEntry, SubmissionSet or Folder must look like by itself: required attributes, cardinality, data
 * types, the forms of ebRIM. The rows of profiles/xds say what there is; the rules look at the ebRIM as it came, not
 * through the mappers. Source: ITI TF-3 4.2.1 to 4.2.3, 4.3.1 (XDS Document Source). */
#ifndef PASSERELLE_ATTRIBUTE_RULES_H
#define PASSERELLE_ATTRIBUTE_RULES_H

#include "mappers/code_sets.h"
#include "mappers/rim.h"

enum object_kind { OBJECT_ENTRY = 1, OBJECT_SET = 2, OBJECT_FOLDER = 3, OBJECT_ASSOCIATION = 4 };

/* The classificationSchemes and identificationSchemes that rules and queries name. */
#define SCHEME_ENTRY_AUTHOR              "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
#define SCHEME_ENTRY_CLASS               "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
#define SCHEME_ENTRY_CONFIDENTIALITY     "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
#define SCHEME_ENTRY_EVENT               "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4"
#define SCHEME_ENTRY_FORMAT              "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
#define SCHEME_ENTRY_FACILITY            "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
#define SCHEME_ENTRY_PRACTICE            "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
#define SCHEME_ENTRY_TYPE                "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
#define SCHEME_ENTRY_PATIENT_ID          "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
#define SCHEME_ENTRY_UNIQUE_ID           "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
#define SCHEME_SET_AUTHOR                "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
#define SCHEME_SET_CONTENT_TYPE          "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
#define SCHEME_SET_PATIENT_ID            "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
#define SCHEME_SET_SOURCE_ID             "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"
#define SCHEME_SET_UNIQUE_ID             "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"
#define SCHEME_FOLDER_CODE               "urn:uuid:1ba97051-7806-41a8-a48b-8fce7af683c5"
#define SCHEME_FOLDER_PATIENT_ID         "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a"
#define SCHEME_FOLDER_UNIQUE_ID          "urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a"
#define SCHEME_ASSOCIATION_DOCUMENTATION "urn:uuid:abd807a3-4432-4053-87b4-fd82c643d1f3"
#define NODE_SET                         "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
#define NODE_FOLDER                      "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"
#define OBJECT_TYPE_STABLE               "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
#define OBJECT_TYPE_ON_DEMAND            "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248"

/* The first value of a slot, trimmed; STR_NONE when there is none. */
struct str slot_value(const struct rim_slots *slots, struct str name);

/* Checks one object; every fault becomes an XDSRegistryMetadataError. code_sets may be NULL: every code is taken.
 * Returns false when there was one. */
bool attribute_rules_check(const struct rim_object *object, enum object_kind kind, const struct code_sets *code_sets,
			   struct arena *arena, struct outcome *outcome) MUST_CHECK;

/* The same for the slots and Classifications of an Association. is_update: with the slots of ITI-57. */
bool association_attributes_check(const struct rim_object *association, bool is_update,
				  struct outcome *outcome) MUST_CHECK;

#endif
