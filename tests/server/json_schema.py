"""Does a value fit a schema? As much of JSON Schema 2020-12 as docs/openapi.json uses; of
anything else it says that it doesn't know it, so nothing there goes unread."""

import re

WORDS = {"description", "deprecated", "contentEncoding"}  # tell, and ask for nothing
TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool,
    "number": (int, float), "integer": int,
}


class Unfit(AssertionError):
    """Where, and why."""


def is_of(kind, value):
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, TYPES[kind])


class Schemas:
    """Those of a document, in which references are looked up. `strict`: what a schema of
    an object doesn't name mustn't be there."""

    def __init__(self, document, strict):
        self.document, self.strict = document, strict

    def find(self, reference):
        at = self.document
        assert reference.startswith("#/"), reference
        for step in reference[2:].split("/"):
            at = at[step]
        return at

    def fits(self, schema, value):
        try:
            self.check(schema, value)
        except Unfit:
            return False
        return True

    def check(self, schema, value, where="$"):
        for word, wants in schema.items():
            if word not in WORDS:
                rule = getattr(self, "rule_" + word.strip("$"), None)
                assert rule, f"{where}: json_schema.py doesn't know {word}"
                rule(wants, value, where, schema)

    def need(self, ok, where, value, what):
        if not ok:
            raise Unfit(f"{where}: {value!r}: {what}")

    def rule_ref(self, wants, value, where, _):
        self.check(self.find(wants), value, where)

    def rule_type(self, wants, value, where, _):
        self.need(is_of(wants, value), where, value, "not of type " + wants)

    def rule_enum(self, wants, value, where, _):
        self.need(value in wants, where, value, f"none of {wants}")

    def rule_pattern(self, wants, value, where, _):
        self.need(re.search(wants, value), where, value, f"not like {wants}")

    def rule_minimum(self, wants, value, where, _):
        self.need(value >= wants, where, value, f"less than {wants}")

    def rule_maximum(self, wants, value, where, _):
        self.need(value <= wants, where, value, f"more than {wants}")

    def at_least(self, wants, value, where, _):
        self.need(len(value) >= wants, where, value, f"fewer than {wants}")

    def at_most(self, wants, value, where, _):
        self.need(len(value) <= wants, where, value, f"more than {wants}")

    rule_minLength = rule_minItems = rule_minProperties = at_least
    rule_maxLength = rule_maxItems = rule_maxProperties = at_most

    def rule_items(self, wants, value, where, _):
        for i, item in enumerate(value):
            self.check(wants, item, f"{where}[{i}]")

    def rule_required(self, wants, value, where, _):
        for name in wants:
            self.need(name in value, where, value, f"{name} is missing")

    def rule_properties(self, wants, value, where, schema):
        for name, inside in value.items():
            if name in wants:
                self.check(wants[name], inside, f"{where}.{name}")
            elif self.strict and "additionalProperties" not in schema:
                self.need(False, where, value, f"{name} isn't in the schema")

    def rule_additionalProperties(self, wants, value, where, schema):
        for name in value.keys() - schema.get("properties", {}).keys():
            self.need(wants is not False, where, value, f"{name} mustn't be there")
            self.check(wants, value[name], f"{where}.{name}")

    def rule_allOf(self, wants, value, where, _):
        for schema in wants:
            self.check(schema, value, where)

    def rule_anyOf(self, wants, value, where, _):
        self.need(any(self.fits(s, value) for s in wants), where, value, "fits none")

    def rule_oneOf(self, wants, value, where, _):
        if [self.fits(s, value) for s in wants].count(True) != 1:
            for schema in wants:  # says why
                self.check(schema, value, where)
            self.need(False, where, value, "fits more than one")
