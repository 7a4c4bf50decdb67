"""Draws the page's figures as SVG: bars or points of one figure by server, and lines of a
figure over the number of members. Light or dark is the reader's, by a media query; each
mark has its name and value beside it, so that no colour has to be known.
"""

import math
from html import escape

WIDTH, LEFT, RIGHT, TOP, ROW = 720, 190, 90, 58, 24

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 15px; font-weight: 600; }
.note, .tick { font-size: 11px; fill: #57606a; }
.grid { stroke: #d8dee4; stroke-width: 1; }
.base { stroke: #57606a; stroke-width: 1; stroke-dasharray: 4 3; }
.span { stroke: #57606a; stroke-width: 1.5; }
.other { fill: #8c959f; stroke: #8c959f; }
.floor { fill: #afb8c1; stroke: #afb8c1; }
.ours { fill: #0969da; stroke: #0969da; }
.ours-name { font-weight: 600; }
.second { fill: #bc4c00; stroke: #bc4c00; }
.third { fill: #8250df; stroke: #8250df; }
.line { fill: none; stroke-width: 2; }
.page { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .note, .tick { fill: #9198a1; }
  .grid { stroke: #30363d; }
  .base, .span { stroke: #9198a1; }
  .other { fill: #768390; stroke: #768390; }
  .floor { fill: #545d68; stroke: #545d68; }
  .ours { fill: #4493f8; stroke: #4493f8; }
  .second { fill: #db6d28; stroke: #db6d28; }
  .third { fill: #a371f7; stroke: #a371f7; }
  .page { fill: #0d1117; }
}
"""


def kind_of(label):
    if label.startswith(("fanwire", "libfanwire")):
        return "ours"
    return "floor" if label.startswith(("floor", "Redis")) else "other"


def number(value):
    """Short, and with as many digits as say something."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def document(height, title, note, parts):
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" role="img"'
            f' aria-label="{escape(title, quote=True)}">',
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{height}"/>',
            f'<text class="title" x="16" y="24">{escape(title)}</text>',
            f'<text class="note" x="16" y="42">{escape(note)}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def text(x, y, words, anchor="start", style=""):
    kind = f' class="{style}"' if style else ""
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text{kind} {where}>{escape(words)}</text>"


def line(x1, y1, x2, y2, style):
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{style}" {ends}/>'


def point(x, y, radius, style):
    return f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'


def nice_steps(most):
    """Ticks from 0, some four of them."""
    raw = most / 4
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw)
    return [step * i for i in range(int(most / step) + 1)]


def powers(low, high):
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**n for n in range(first, max(last, first + 1) + 1)]


class Scale:
    """Values to pixels: linear from 0, or in powers of ten where they differ so much
    that bars would say nothing."""

    def __init__(self, values, begin, end, logarithmic):
        self.begin, self.end, self.log = begin, end, logarithmic
        if logarithmic:
            self.ticks = powers(min(values), max(values))
            self.low, self.high = self.ticks[0], self.ticks[-1]
        else:
            self.ticks = nice_steps(max(values))
            self.low, self.high = 0, max(max(values), self.ticks[-1])

    def __call__(self, value):
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)


def row_chart(title, note, rows, base=None):
    """Rows of (label, value, low, high). Bars; or points, where the largest is more than
    ten times the smallest. `base` draws a line there."""
    rows = [row for row in rows if row[1] and row[1] > 0]
    if not rows:
        return None
    values = [v for _, *numbers in rows for v in numbers] + ([base] if base else [])
    values = [v for v in values if v > 0]
    middles = [row[1] for row in rows]
    logarithmic = max(middles) > 10 * min(middles)
    scale = Scale(values, LEFT, WIDTH - RIGHT, logarithmic)
    bottom = TOP + ROW * len(rows)
    parts = []
    for tick in scale.ticks:
        parts.append(line(scale(tick), TOP - 4, scale(tick), bottom, "grid"))
        parts.append(text(scale(tick), bottom + 16, number(tick), "middle", "tick"))
    if base:
        parts.append(line(scale(base), TOP - 4, scale(base), bottom, "base"))
    for at, (label, value, low, high) in enumerate(rows):
        middle, kind = TOP + ROW * at + ROW / 2, kind_of(label)
        name = "ours-name" if kind == "ours" else ""
        parts.append(text(LEFT - 10, middle + 4, label, "end", name))
        if logarithmic:
            parts.append(point(scale(value), middle, 5, kind))
        else:
            width = scale(value) - LEFT
            parts.append(
                f'<rect class="{kind}" x="{LEFT}" y="{middle - 8:.1f}"'
                f' width="{width:.1f}" height="16" rx="2"/>'
            )
        if 0 < low < high:
            parts.append(line(scale(low), middle, scale(high), middle, "span"))
        right = scale(max(value, high)) + 9
        parts.append(text(right, middle + 4, number(value), "start", name))
    return document(bottom + 30, title, note, parts)


# Lines cross, so they differ in colour and in dashes, beside having their names.
DASHES = {"ours": ["none"], "floor": ["none", "6 3"], "other": ["9 3 2 3", "12 4", "2 3"]}
COLOURS = {"ours": ["ours"], "floor": ["floor"], "other": ["second", "third", "other"]}


def line_styles(names):
    """{label: (class, dashes)}, in turn among those of a kind."""
    styles, seen = {}, {}
    for label in names:
        kind = kind_of(label)
        at = seen[kind] = seen.get(kind, -1) + 1
        colours, dashes = COLOURS[kind], DASHES[kind]
        styles[label] = colours[at % len(colours)], dashes[at % len(dashes)]
    return styles


def spread(places, gap=15):
    """Labels at these heights, moved so that none covers another."""
    moved, last = {}, -gap
    for key, y in sorted(places.items(), key=lambda item: item[1]):
        last = moved[key] = max(y, last + gap)
    return moved


def line_chart(title, note, lines):
    """{label: [(x, y)]} over powers of ten."""
    lines = {label: points for label, points in lines.items() if len(points) > 1}
    if not lines:
        return None
    height, bottom = 340, 300
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    across = Scale(xs, 60, WIDTH - 150, True)
    up = Scale(ys, bottom, TOP + 6, max(ys) > 20 * min(ys))
    parts = []
    for tick in up.ticks:
        parts.append(line(60, up(tick), WIDTH - 150, up(tick), "grid"))
        parts.append(text(52, up(tick) + 4, number(tick), "end", "tick"))
    for tick in across.ticks:
        parts.append(text(across(tick), bottom + 18, number(tick), "middle", "tick"))
    places = spread({label: up(points[-1][1]) for label, points in lines.items()})
    styles = line_styles(lines)
    for label, points in lines.items():
        kind, dash = styles[label]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        parts.append(
            f'<polyline class="{kind} line" style="fill: none" points="{path}"'
            f' stroke-dasharray="{dash}"/>'
        )
        for x, y in points:
            parts.append(point(across(x), up(y), 3.5, kind))
        end = across(points[-1][0])
        name = "ours-name" if kind == "ours" else ""
        parts.append(text(end + 10, places[label] + 4, label, "start", name))
    return document(height, title, note, parts)
