#!/usr/bin/env python3
"""Writes the fictional Provide Document Bundles beside it: python3 make.py. The documents are base64 of "Hello World"
(11 bytes, SHA-1 0a4d55a8d778e5022fab701977c5d840bbc486d0)."""
import json
import os

BASE = "https://profiles.ihe.net/ITI/MHD/"
SD = BASE + "StructureDefinition/"
LISTS = BASE + "CodeSystem/MHDlistTypes"
SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
CONF = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
FORMAT = "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"
IDS = BASE + "CodeSystem/IHE.MHD.MHDIdentifierType"


def code(system, value, display=None):
    coding = {"system": system, "code": value}
    if display:
        coding["display"] = display
    return {"coding": [coding]}


def urn(n):
    return "urn:uuid:00000000-0000-4000-8000-%012d" % n


def subject():
    return {"identifier": {"system": "urn:oid:1.2.3", "value": "P1"}}


def the_set(items, profile):
    minimal = profile == "Minimal"
    extension = [{"url": SD + "ihe-sourceId", "valueIdentifier": {"value": "urn:oid:1.3.6.1.4.1.99999.7"}}]
    if not minimal:
        extension.append({"url": SD + "ihe-designationType", "valueCodeableConcept": code(SCT, "225728007", "A&E")})
    return {"fullUrl": urn(1), "resource": {
        "resourceType": "List", "extension": extension,
        "identifier": [{"use": "usual", "system": "urn:ietf:rfc:3986", "value": "urn:oid:1.3.6.1.4.1.99999.7.1"}],
        "status": "current", "mode": "working", "title": "Fictional submission", "code": code(LISTS, "submissionset"),
        "subject": subject(), "date": "2024-03-02T09:15:30+01:00",
        "entry": [{"item": {"reference": item}} for item in items]},
        "request": {"method": "POST", "url": "List"}}


def document(n, binary, unique, profile, **more):
    resource = {"resourceType": "DocumentReference"}
    minimal = profile == "Minimal"
    if not minimal:
        resource["contained"] = [
            {"resourceType": "Patient", "id": "source",
             "identifier": [{"system": "urn:oid:1.3.6.1.4.1.99999.1", "value": "MRN-5"}],
             "name": [{"family": "Rossi", "given": ["Ada", "Maria"]}], "gender": "female", "birthDate": "1980-02-29"},
            {"resourceType": "Practitioner", "id": "author",
             "identifier": [{"system": "urn:oid:1.3.6.1.4.1.99999.2", "value": "D9"}],
             "name": [{"family": "O^Neil", "given": ["Tim"], "prefix": ["Dr"]}]}]
    resource["masterIdentifier"] = {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + unique}
    resource["status"] = "current"
    if not minimal:
        resource["type"] = code(LOINC, "34133-9", "Summary of episode note")
        resource["category"] = [code(LOINC, "11369-6", "History")]
    resource["subject"] = subject()
    if not minimal:
        resource["author"] = [{"reference": "#author"}]
    resource.update(more)
    if not minimal:
        resource["securityLabel"] = [code(CONF, "N")]
    attachment = {"contentType": "text/plain", "url": urn(binary), "size": 11, "hash": "Ck1VqNd45QIvq3AZd8XYQLvEhtA="}
    content = {"attachment": attachment}
    if not minimal:
        attachment.update({"language": "en", "title": "Note", "creation": "2024-03-02"})
        content["format"] = {"system": FORMAT, "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient"}
    resource["content"] = [content]
    if not minimal:
        resource["context"] = {"facilityType": code(SCT, "82242000"), "practiceSetting": code(SCT, "408467006"),
                               "sourcePatientInfo": {"reference": "#source"}}
    return {"fullUrl": urn(n), "resource": resource, "request": {"method": "POST", "url": "DocumentReference"}}


def binary(n):
    return {"fullUrl": urn(n),
            "resource": {"resourceType": "Binary", "contentType": "text/plain", "data": "SGVsbG8gV29ybGQ="},
            "request": {"method": "POST", "url": "Binary"}}


def folder(n, items, method="POST", url="List"):
    return {"fullUrl": urn(n), "resource": {
        "resourceType": "List",
        "extension": [{"url": SD + "ihe-designationType", "valueCodeableConcept": code(SCT, "225728007")}],
        "status": "current", "mode": "working", "title": "Fictional folder", "code": code(LISTS, "folder"),
        "subject": subject(), "entry": [{"item": {"reference": item}} for item in items]},
        "request": {"method": method, "url": url}}


def patch(n, target):
    return {"fullUrl": urn(n), "resource": {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "DocumentReference.status"},
        {"name": "value", "valueCode": "superseded"}]}]}, "request": {"method": "PATCH", "url": target}}


def bundle(profile, entries):
    return {"resourceType": "Bundle",
            "meta": {"profile": [SD + "IHE.MHD.%s.ProvideBundle" % profile]}, "type": "transaction", "entry": entries}


OLD = "DocumentReference/old1"
CASES = {
    "comprehensive": bundle("Comprehensive", [
        the_set([urn(2)], "C"), document(2, 3, "1.3.6.1.4.1.99999.8.1", "C"), binary(3)]),
    "minimal": bundle("Minimal", [
        the_set([urn(2)], "Minimal"), document(2, 3, "1.3.6.1.4.1.99999.8.1", "Minimal"), binary(3)]),
    "everything": bundle("Comprehensive", [
        the_set([urn(2), urn(4), urn(6), urn(7), "DocumentReference/seen"], "C"),
        patch(8, OLD),
        document(2, 3, "1.3.6.1.4.1.99999.8.1", "C", relatesTo=[
            {"code": "replaces", "target": {"reference": OLD}}, {"code": "transforms", "target": {"reference": OLD}}]),
        folder(7, [urn(2), "DocumentReference/seen", OLD], "PUT", "List/folder1"),
        document(4, 5, "1.3.6.1.4.1.99999.8.2", "C", relatesTo=[
            {"code": "appends", "target": {"reference": urn(2)}},
            {"code": "signs", "target": {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.9.9"}}}]),
        folder(6, [urn(2), urn(4), "DocumentReference/seen"]),
        binary(3), binary(5)]),
}

for name, value in CASES.items():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.write("\n")
