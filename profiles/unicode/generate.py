#!/usr/bin/env python3
"""Writes fold.def: what letters become when case and accents do not count (FHIR string search). Standard output."""
import unicodedata

# Letters that Unicode does not decompose, as people write them without the letter.
PLAIN = {"ß": "ss", "ẞ": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h",
         "ŧ": "t", "ŋ": "n", "ĸ": "k", "ς": "σ", "ŉ": "n"}
RANGES = [(0xC0, 0x24F), (0x370, 0x52F), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF)]


def fold(char):
    text = "".join(PLAIN.get(c, c) for c in char.lower())
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(PLAIN.get(c, c) for c in text.lower())


print("/* Letters without case and accents, for FHIR string search (R4 3.1.1.4.8). FOLD(code point, UTF-8), ascending.\n"
      " * Made by generate.py from the Unicode character database: NFKD, combining marks dropped, lower case. */")
for first, last in RANGES:
    for point in range(first, last + 1):
        folded = fold(chr(point))
        if unicodedata.category(chr(point)) != "Cn" and folded and folded != chr(point) and " " not in folded:
            print('FOLD(0x%04X, "%s")' % (point, folded))
