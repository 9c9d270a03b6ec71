/* HL7 v2 text inside XDS attributes: components (^), subcomponents (&), repetitions (~), escapes (\S\ and the like).
 * The parsers give every part unescaped, in the arena or inside text; an absent part is STR_NONE with size 0. They
 * accept anything (missing parts, surplus parts) and return false only without memory: whether a value makes sense is
 * the validator's business. The writers escape, and cut trailing separators; data is NULL without memory.
 * Source: HL7 2.5 chapter 2.7 and 2A, ITI TF-3 4.2.3.1.7. */
#ifndef PASSERELLE_HL7V2_H
#define PASSERELLE_HL7V2_H

#include "mappers/base/arena.h"

/* Assigning authority. */
struct hl7_hd {
	struct str namespace_id;
	struct str universal_id;      /* OID without urn:oid: */
	struct str universal_id_type; /* ISO */
};

/* id^^^&oid&ISO; CXi of referenceIdList has type_code and perhaps home in components 5 and 6. */
struct hl7_cx {
	struct str id;
	struct hl7_hd authority;
	struct str type_code;
	struct str home; /* component 6 as it stands, escapes and all */
};

/* id^family^given^second^suffix^prefix^degree^^authority */
struct hl7_xcn {
	struct str id;
	struct str family;
	struct str given;
	struct str second;
	struct str suffix;
	struct str prefix;
	struct str degree;
	struct hl7_hd authority;
};

/* name^^^^^authority^^^^id */
struct hl7_xon {
	struct str name;
	struct hl7_hd authority;
	struct str id;
};

/* number^use^equipment^email^country^area^local^extension^text^^^unformatted */
struct hl7_xtn {
	struct str number;
	struct str use;
	struct str equipment;
	struct str email;
	struct str country;
	struct str area;
	struct str local;
	struct str extension;
	struct str unformatted;
};

bool hl7_cx_parse(struct str text, struct arena *arena, struct hl7_cx *cx) MUST_CHECK;
/* True when two CX name the same patient: namespace names and type codes beside id and OID say nothing. TF-3 4.2.3.2.16 */
bool hl7_cx_same(struct str a, struct str b, struct arena *arena);
/* The text of that patient which is the same however they are spelled: id and OID alone. False, too, without both. */
bool hl7_cx_normalise(struct str text, struct arena *arena, struct str *normal) MUST_CHECK;
bool hl7_xcn_parse(struct str text, struct arena *arena, struct hl7_xcn *xcn) MUST_CHECK;
bool hl7_xon_parse(struct str text, struct arena *arena, struct hl7_xon *xon) MUST_CHECK;
bool hl7_xtn_parse(struct str text, struct arena *arena, struct hl7_xtn *xtn) MUST_CHECK;

struct str hl7_cx_write(const struct hl7_cx *cx, struct arena *arena);
struct str hl7_xcn_write(const struct hl7_xcn *xcn, struct arena *arena);
struct str hl7_xon_write(const struct hl7_xon *xon, struct arena *arena);
struct str hl7_xtn_write(const struct hl7_xtn *xtn, struct arena *arena);

/* The n-th part (from 1) of text between separators, still escaped; STR_NONE when there are fewer. */
struct str hl7_part(struct str text, char separator, size_t n);

/* text with its escapes undone in one pass from left to right; an unknown escape stays as it is. text itself when
 * there is nothing to undo. data is NULL without memory. */
struct str hl7_unescape(struct str text, struct arena *arena);

/* text with \ | ^ & ~ escaped; text itself when there is nothing to do. */
struct str hl7_escape(struct str text, struct arena *arena);

/* Joins parts that are already escaped, and cuts empty ones at the end. */
struct str hl7_join(const struct str *parts, size_t count, char separator, struct arena *arena);

#endif
