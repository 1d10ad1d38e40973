"""Bars and lines as SVG, by hand: the same bytes for the same figures, and nothing to install."""
import html
import math

WIDTH, LEFT, RIGHT, TOP = 720, 150, 90, 46
COLOURS = ("#1f6f8b", "#b65c2e", "#5b7f3b", "#7a4d8f", "#8a8a8a", "#b59b2d")


def text(x, y, words, anchor="start", size=12, weight="normal", colour="#222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}" fill="{colour}">{html.escape(words)}</text>')


def line(x1, y1, x2, y2, colour="#ccc", width=1):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def sheet(height, title, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        text(16, 26, title, size=15, weight="bold"), *parts, "</svg>", ""])


def round_up(value):
    """The next 1, 2 or 5 times a power of ten, so that an axis ends at a number one can read."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * .999)


def said(value):
    if value >= 10000:
        return f"{value / 1000:,.0f} k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def colour_of(name, at):
    for start, colour in (("null", COLOURS[4]), ("upshot", COLOURS[0]), ("ks-mem", COLOURS[1]),
                          ("ks-roc", COLOURS[3])):
        if name.startswith(start):
            return colour
    return COLOURS[at % len(COLOURS)]


def bars(title, rows):
    """rows: (name, median, least, most); a bar to the median, a thin line from least to most."""
    rows = [row for row in rows if row[1] is not None]
    if not rows:
        return None
    end = round_up(max(row[3] for row in rows))
    scale, parts = (WIDTH - LEFT - RIGHT) / end, []
    height = TOP + 30 * len(rows) + 34
    for step in range(5):
        x = LEFT + step * end / 4 * scale
        parts += [line(x, TOP, x, height - 30),
                  text(x, height - 12, said(step * end / 4) if step else "0", "middle", 11)]
    for at, (name, median, least, most) in enumerate(rows):
        y = TOP + 30 * at
        parts += [text(LEFT - 8, y + 19, name, "end"),
                  f'<rect x="{LEFT}" y="{y + 6}" width="{median * scale:.1f}" height="18" '
                  f'fill="{colour_of(name, at)}"/>',
                  line(LEFT + least * scale, y + 15, LEFT + most * scale, y + 15, "#222", 1.5),
                  text(LEFT + most * scale + 6, y + 19, said(median))]
    return sheet(height, title, parts)


def lines(title, across, series, names=None, log=False):
    """series: (name, [(x, y)]); names: what to write below each x instead of its number."""
    series = [(name, points) for name, points in series if points]
    if not series:
        return None
    height, bottom = 360, 360 - 56
    xs = [x for _, points in series for x, _ in points]
    top = round_up(max(y for _, points in series for _, y in points))
    low = 10 ** math.floor(math.log10(max(min(y for _, points in series for _, y in points), .1)))

    def at_x(x):
        return 70 + (x - min(xs)) / ((max(xs) - min(xs)) or 1) * (WIDTH - 70 - 150)

    def at_y(y):
        part = (math.log10(max(y, low) / low) / math.log10(top / low)) if log else y / top
        return bottom - part * (bottom - TOP)

    parts = []
    marks = ([low * 10 ** step for step in range(1 + round(math.log10(top / low) + .49))]
             if log else [top * step / 4 for step in range(5)])
    for mark in marks:
        if at_y(mark) >= TOP - 1:
            parts += [line(70, at_y(mark), WIDTH - 150, at_y(mark)),
                      text(62, at_y(mark) + 4, said(mark) if mark else "0", "end", 11)]
    for x in sorted(set(xs)) if names else [min(xs), (min(xs) + max(xs)) / 2, max(xs)]:
        parts.append(text(at_x(x), bottom + 18, names[x] if names else said(x), "middle", 11))
    parts.append(text((WIDTH - 80) / 2, height - 12, across, "middle"))
    for at, (name, points) in enumerate(series):
        colour = colour_of(name, at)
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                     'stroke-width="2"/>')
        parts += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{colour}"/>'
                  for x, y in points if len(points) <= 12]
        parts.append(text(WIDTH - 142, TOP + 12 + 20 * at, name, colour=colour, weight="bold"))
    return sheet(height, title, parts)
