#!/usr/bin/env python3
"""Makes profiles/fhir/r4.def from tables of the FHIR R4 (4.0.1) definitions.

usage: generate.py ELEMENTS.tsv > r4.def

ELEMENTS.tsv has one line per element of every data type, resource and part of a resource, with a header line:
  type     owner: "Coding", "DocumentReference", "DocumentReference.content"
  seq      place in the owner, from 1, in the order of XML; the types of one choice share it
  name     "status"; a choice is spelled out, one line per type: "valueString", "valueCoding" ...
  ftype    type of the element: a primitive, a data type, a part ("Bundle.link"), or Resource
  kind     primitive, complex, resource (any resource) or xhtml
  json     JSON type of the value: boolean, number, string or object
  xml      elem, attr (Element.id, Extension.url), wrap (a resource inside the element) or xhtml
  min      0 or 1
  max      1 or *
  choice   name of the choice ("value[x]") or -
  sibling  1 when JSON may have a `_name` companion
The lines are what the StructureDefinitions in profiles-types.json and profiles-resources.json say, abstract types
unfolded into their children. This script checks them and leaves out what follows from the other columns.
"""
import csv
import sys

PRIMITIVES = {
    'base64Binary': 'string', 'boolean': 'boolean', 'canonical': 'string', 'code': 'string', 'date': 'string',
    'dateTime': 'string', 'decimal': 'number', 'id': 'string', 'instant': 'string', 'integer': 'number',
    'markdown': 'string', 'oid': 'string', 'positiveInt': 'number', 'string': 'string', 'time': 'string',
    'unsignedInt': 'number', 'uri': 'string', 'url': 'string', 'uuid': 'string',
}

HEAD = """\
/* FHIR R4 (4.0.1): every type and its elements. Made by profiles/fhir/generate.py; do not edit.
 * FHIR_TYPE(name as enumerator, name, kind, index of its first element, number of elements)
 *   primitives first, in the order of enum fhir_kind, then xhtml, Resource, the resources by name, the rest by name
 * FHIR_RESOURCES(first, last): the enumerators between which the resources lie
 * FHIR_ELEMENT(name, type, min, max, place, which row of the type comes here by name, length of the choice's name)
 *   in the order of XML; a choice has one row per type at one place; max M is *; min A is an optional XML attribute and
 *   B one that is required */
"""


def fail(text):
    sys.exit('generate.py: ' + text)


def read(path):
    types = {}
    with open(path, encoding='utf-8', newline='') as lines:
        for row in csv.DictReader(lines, delimiter='\t', quoting=csv.QUOTE_NONE):
            types.setdefault(row['type'], []).append(row)
    return types


def check(types, owner, row):
    where = owner + '.' + row['name']
    if row['kind'] == 'primitive':
        if PRIMITIVES.get(row['ftype']) != row['json']:
            fail(where + ': JSON type does not go with ' + row['ftype'])
        if row['sibling'] != ('0' if row['xml'] == 'attr' else '1'):
            fail(where + ': unexpected sibling')
    elif row['kind'] == 'complex':
        if row['ftype'] not in types:
            fail(where + ': unknown type ' + row['ftype'])
    elif (row['kind'], row['ftype']) not in (('resource', 'Resource'), ('xhtml', 'xhtml')):
        fail(where + ': unknown kind')
    if row['min'] not in '01' or row['max'] not in ('1', '*'):
        fail(where + ': unexpected cardinality')
    if row['choice'] != '-' and not row['name'].startswith(row['choice'].removesuffix('[x]')):
        fail(where + ': not a name of ' + row['choice'])


def enumerator(name):
    return name.replace('.', '_')


def element_rows(types, owner):
    rows = types[owner]
    if len(rows) > 255 or [int(row['seq']) for row in rows] != sorted(int(row['seq']) for row in rows):
        fail(owner + ': too many elements or out of order')
    if len({row['name'] for row in rows}) != len(rows):
        fail(owner + ': an element twice')
    by_name = sorted(range(len(rows)), key=lambda i: rows[i]['name'].encode())
    for row, sorted_row in zip(rows, by_name):
        check(types, owner, row)
        low = {'0': 'A', '1': 'B'}[row['min']] if row['xml'] == 'attr' else row['min']
        choice = 0 if row['choice'] == '-' else len(row['choice'].removesuffix('[x]'))
        yield 'FHIR_ELEMENT(%s, %s, %s, %s, %s, %d, %d)' % (
            row['name'], enumerator(row['ftype']), low, {'1': '1', '*': 'M'}[row['max']], row['seq'], sorted_row, choice)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    types = read(sys.argv[1])
    is_resource = {t: '.' not in t and any(r['name'] == 'implicitRules' for r in rows) for t, rows in types.items()}
    resources = sorted(t for t in types if is_resource[t])
    others = sorted(t for t in types if not is_resource[t])
    print(HEAD)
    for primitive in sorted(PRIMITIVES, key=str.lower):
        print('FHIR_TYPE(%s, "%s", FHIR_%s, 0, 0)' % (primitive, primitive, primitive.upper()))
    print('FHIR_TYPE(xhtml, "xhtml", FHIR_XHTML, 0, 0)')
    print('FHIR_TYPE(Resource, "Resource", FHIR_ANY_RESOURCE, 0, 0)')
    first = 0
    for owner in resources + others:
        kind = 'FHIR_RESOURCE' if is_resource[owner] else 'FHIR_COMPLEX'
        print('FHIR_TYPE(%s, "%s", %s, %d, %d)' % (enumerator(owner), owner, kind, first, len(types[owner])))
        first += len(types[owner])
    print('\nFHIR_RESOURCES(%s, %s)' % (resources[0], resources[-1]))
    for owner in resources + others:
        print('\n/* %s */' % owner)
        for row in element_rows(types, owner):
            print(row)


if __name__ == '__main__':
    main()
