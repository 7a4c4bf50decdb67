"""A strict reader of what Prometheus calls its text format, version 0.0.4: what it lets
pass every scraper takes."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? (\S+)" % (NAME, LABEL, LABEL))
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.kind, self.samples = name, help_text, None, []

    def value(self, suffix="", **labels):
        for name, its, value in self.samples:
            if name == self.name + suffix and its == labels:
                return value
        raise KeyError((self.name + suffix, labels))


def read_sample(line, family):
    m = SAMPLE.fullmatch(line)
    assert m, "no sample: " + line
    labels = re.findall(LABEL, m.group(2) or "")
    assert len(dict(labels)) == len(labels), "a label twice: " + line
    allowed = [family.name + s for s in SUFFIXES.get(family.kind, ("",))]
    assert m.group(1) in allowed, f"{m.group(1)} below {family.name}"
    sample = (m.group(1), dict(labels), float(m.group(m.lastindex)))
    assert not any(s[:2] == sample[:2] for s in family.samples), "twice: " + line
    return sample


def check_histogram(family):
    """Each set of labels beside `le` is a histogram."""
    of = {}
    for name, labels, value in family.samples:
        if name == family.name + "_bucket":
            others = {k: v for k, v in labels.items() if k != "le"}
            of.setdefault(tuple(others.items()), []).append((float(labels["le"]), value))
    assert of
    for others, buckets in of.items():
        bounds, counts = [b for b, _ in buckets], [c for _, c in buckets]
        assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf")
        assert counts == sorted(counts)
        assert counts[-1] == family.value("_count", **dict(others))
        assert family.value("_sum", **dict(others)) >= 0


def check(family):
    assert family.samples, f"{family.name} has no sample"
    assert (family.kind == "counter") == family.name.endswith("_total"), family.name
    assert family.help and family.kind in ("gauge", "counter", "histogram"), family.name
    assert all(s[2] >= 0 for s in family.samples)
    if family.kind == "histogram":
        check_histogram(family)


def read(text):
    """{name: Family}; an AssertionError says what is wrong."""
    families, family = {}, None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, help_text = line[7:].split(" ", 1)
            assert re.fullmatch(NAME, name) and name not in families, line
            family = families[name] = Family(name, help_text)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert family and name == family.name and family.kind is None, line
            family.kind = kind
        else:
            assert family and family.kind, "no TYPE before: " + line
            family.samples.append(read_sample(line, family))
    for family in families.values():
        check(family)
    return families
