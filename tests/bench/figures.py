"""Reads a report's sections for those who show or judge them: medians, and ratios, which
are always those of each round, of which the median is told. What isn't there is None.
"""

import statistics
from dataclasses import dataclass


@dataclass
class Ratio:
    middle: float
    low: float
    high: float


def summary(values):
    return Ratio(statistics.median(values), min(values), max(values)) if values else None


class Figures:
    def __init__(self, sections):
        self.sections = sections

    def loads(self, letter):
        return self.sections.get(letter, {}).get("loads", {})

    def row(self, letter, load, label):
        return self.loads(letter).get(load, {}).get("rows", {}).get(label, {})

    def median(self, letter, load, label, key):
        return self.row(letter, load, label).get("median", {}).get(key)

    def calls(self, letter, load, label, key):
        return self.row(letter, load, label).get("calls", {}).get(key)

    def by_round(self, letter, load, label, key):
        return [r.get(key) for r in self.row(letter, load, label).get("rounds", [])]

    def better_by_round(self, letter, load, labels, key, better=min):
        """Of several rows the better one, round by round; those that are missing don't
        count, unless all are."""
        columns = [self.by_round(letter, load, label, key) for label in labels]
        best = []
        for number in range(max((len(c) for c in columns), default=0)):
            values = [c[number] for c in columns if number < len(c) and c[number]]
            best.append(better(values) if values else None)
        return best

    def ratio(self, letter, load, label, bases, key="cpu_us_per_delivery", better=min):
        """To one row, or to the better of several."""
        bases = [bases] if isinstance(bases, str) else bases
        ours = self.by_round(letter, load, label, key)
        theirs = self.better_by_round(letter, load, bases, key, better)
        return summary([a / b for a, b in zip(ours, theirs) if a is not None and b])

    def growth(self, letter, loads, label, key="cpu_us_per_delivery"):
        """By round, what a figure of the second load is to that of the first."""
        before, after = (self.by_round(letter, load, label, key) for load in loads)
        return [b / a if a and b else None for a, b in zip(before, after)]

    def errors(self):
        """(section, load, row, words) of cells that failed."""
        for letter in self.sections:
            for load, of_load in self.loads(letter).items():
                for label, row in of_load["rows"].items():
                    tried = [*row.get("rounds", []), row.get("calls"), row.get("redis")]
                    for result in tried:
                        if result and "error" in result:
                            yield letter, load, label, result["error"]

    def faults(self):
        """(section, load, row, words) of messages lost, repeated or out of order."""
        for letter in self.sections:
            for load, of_load in self.loads(letter).items():
                for label, row in of_load["rows"].items():
                    for result in row.get("rounds", []):
                        words = [
                            f"{result[key]} {key.replace('_', ' ')}"
                            for key in ("lost", "duplicated", "out_of_order")
                            if result.get(key)
                        ]
                        if words:
                            yield letter, load, label, ", ".join(words)
