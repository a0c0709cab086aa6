"""A cell on a sheet of so many pixels: boxes, bundles, arrowheads, and places for labels.

``layout`` says which state stands where; here it is drawn to size, so that text keeps its size
whatever the sheet's. One plan serves matplotlib's pictures and the live view's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import atan2, ceil, hypot
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dartsedu.show.layout import Curve, Point, arrange

CHARACTER = 0.62
"""Width of a character, in units of the font's size: few are wider."""
CHIP = 0.9
"""Width of the patch of colour before a label, likewise."""
_MOMENTS = np.linspace(0, 1, 25)
_PLACES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)
_LABELLED = 80
"""Edges of a cell whose labels are given places: of more, none has room."""


class Box(NamedTuple):
    """A rectangle by its middle and its size."""

    x: float
    y: float
    width: float
    height: float

    def meets(self, other: Box, gap: float = 0.0) -> bool:
        """Whether two boxes have a point in common, or come nearer than ``gap``."""
        return (
            abs(self.x - other.x) < (self.width + other.width) / 2 + gap
            and abs(self.y - other.y) < (self.height + other.height) / 2 + gap
        )


class Way(NamedTuple):
    """How an edge runs.

    Attributes:
        curve: the middle line of its bundle, which ends at the foot of its arrowhead.
        head: the arrowhead: its tip and the two other corners.
        label: the place of its label; ``None`` where there is room for none.
    """

    curve: Curve
    head: tuple[Point, Point, Point]
    label: Box | None

    @property
    def head_box(self) -> Box:
        """The rectangle around the arrowhead."""
        xs, ys = [p.x for p in self.head], [p.y for p in self.head]
        return Box(
            (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2, max(xs) - min(xs), max(ys) - min(ys)
        )


class Sheet(NamedTuple):
    """A drawn cell; y grows downwards.

    Attributes:
        width, height: of the sheet.
        font: size of the labels; names of states are a tenth larger.
        bundle: width of a bundle of strands.
        states: boxes of the states, then that of the output.
        ways: an edge each.
    """

    width: float
    height: float
    font: float
    bundle: float
    states: tuple[Box, ...]
    ways: tuple[Way, ...]


class Drawn(NamedTuple):
    """A cell as the sheet needs it.

    Attributes:
        inputs, nodes: numbers of states.
        links: (source, target), an edge each.
        names: of the states and of the output.
        characters: in each edge's label at most; 0 for an edge without one.
    """

    inputs: int
    nodes: int
    links: tuple[tuple[int, int], ...]
    names: tuple[str, ...]
    characters: tuple[int, ...]


@lru_cache(maxsize=512)
def lay_out(cell: Drawn, width: float, height: float, font: float, thickest: float = 14) -> Sheet:
    """Draw a cell to size. A sheet too small for its boxes and arrows becomes as large as needed.

    Bundles are as thick as those at the busiest state allow, ``thickest`` at most. Edges leave a
    box on its right and arrive on its left, beside each other. A label lies beside its edge,
    clear of all boxes, arrowheads and other labels, where it covers least of the edges.
    """
    plan = arrange(cell.inputs, cell.nodes, cell.links)
    leaving, arriving = _degrees(cell)
    busiest = max(*leaving, *arriving, 1)
    thin = [t for t in range(4, int(thickest) + 1) if _tall(busiest, t) <= 0.4 * height]
    bundle = max(thin, default=4)
    places = [*plan.states, plan.output]
    wide = [max(2.2 * font, CHARACTER * 1.1 * font * len(name) + 0.8 * font) for name in cell.names]
    tall = [
        max(1.6 * font, _tall(count, bundle), out * (bundle + 1.5) + 4)
        for count, out in zip(arriving, leaving, strict=True)
    ]
    left = max(w for w, place in zip(wide, places, strict=True) if place.x == 0) / 2 + 2
    widest, last = max(wide[cell.inputs : -1]), max(place.x for place in plan.states)
    # The output stands close to the last node: no bundle runs there.
    right = widest / 2 + 24 + wide[-1] + 2
    # The boxes of inputs may be wider than those of nodes.
    first = max(0.0, left - 2 - widest / 2)
    column = (width - left - first - right) / last
    least = widest + _length(bundle) + 10
    if column < least:
        column, width = least, left + first + right + least * last
    low, high = min(p.y for p in places), max(p.y for p in places)
    edge = max(tall) / 2 + 2
    # Room above and below for edges that run around other states.
    around = min(0.22 * height, (bundle + 6) * len(cell.links) / 4)
    row = max(0.0, height - 2 * edge - 2 * around) / (high - low or 1)
    needed = _rows(places, tall)
    if row < needed:
        height, row = height + (needed - row) * (high - low), needed
    row = max(needed, min(row, 6 * font))
    middle = height / 2 + (high + low) / 2 * row
    boxes = [
        Box(left + first * (place.x > 0) + place.x * column, middle - place.y * row, w, t)
        for place, w, t in zip(places, wide, tall, strict=True)
    ]
    boxes[-1] = boxes[-1]._replace(x=width - wide[-1] / 2 - 2)
    ways = _ways(cell, boxes, bundle, height)
    labels = _labels(cell, boxes, ways, bundle, font, (width, height))
    placed = [Way(*way, label) for way, label in zip(ways, labels, strict=True)]
    return _cropped(Sheet(width, height, font, bundle, tuple(boxes), tuple(placed)))


def _cropped(sheet: Sheet) -> Sheet:
    """Without the rows of pixels above and below that nothing needs."""
    boxes = [*sheet.states, *(way.label for way in sheet.ways if way.label is not None)]
    ends = [y for box in boxes for y in (box.y - box.height / 2, box.y + box.height / 2)]
    half = sheet.bundle / 2 + 2
    for way in sheet.ways:
        rows = _points(way.curve)[:, 1]
        ends += [float(rows.min()) - half, float(rows.max()) + half, *(p.y for p in way.head)]
    up = min(ends) - 2

    def raised(point: Point) -> Point:
        return Point(point.x, point.y - up)

    ways = [
        Way(
            Curve(*(raised(p) for p in way.curve)),
            (raised(way.head[0]), raised(way.head[1]), raised(way.head[2])),
            None if way.label is None else way.label._replace(y=way.label.y - up),
        )
        for way in sheet.ways
    ]
    states = tuple(box._replace(y=box.y - up) for box in sheet.states)
    return sheet._replace(height=max(ends) + 2 - up, states=states, ways=tuple(ways))


def _degrees(cell: Drawn) -> tuple[list[int], list[int]]:
    """How many edges leave and reach each state; the output is reached by none of them."""
    leaving, arriving = ([0] * len(cell.names) for _ in range(2))
    for source, target in cell.links:
        leaving[source] += 1
        arriving[target] += 1
    return leaving, arriving


def _length(bundle: float) -> float:
    """The length of an arrowhead."""
    return min(10.0, max(7.0, 0.8 * bundle))


def _spread(bundle: float) -> float:
    """Between two arrowheads at one box: they do not meet, however they are turned."""
    half, length = bundle / 2 + 1.5, _length(bundle)
    return max(2 * half, hypot(half, length)) + 0.4 * length + 1


def _tall(count: int, bundle: float) -> float:
    return count * _spread(bundle) + 4


def _rows(places: Sequence[Point], tall: Sequence[float]) -> float:
    """The least height of a unit of y at which no two boxes of a column meet."""
    needed = 0.0
    for i, one in enumerate(places):
        for j in range(i):
            if places[j].x == one.x:
                apart = abs(places[j].y - one.y) or 1.0
                needed = max(needed, ((tall[i] + tall[j]) / 2 + 4) / apart)
    return needed


def _ways(
    cell: Drawn, boxes: Sequence[Box], bundle: float, height: float
) -> list[tuple[Curve, tuple[Point, Point, Point]]]:
    """The curve and the arrowhead of every edge, clear of the boxes that it passes."""
    length, half = _length(bundle), bundle / 2 + 1.5
    steepest = min(1.0, length / half)
    bows = [
        _bow(boxes, *link, bundle, height, cell.links[:number].count(link))
        for number, link in enumerate(cell.links)
    ]
    starts = _ports(cell.links, boxes, bows, bundle + 1.5, of=0)
    ends = _ports(cell.links, boxes, bows, _spread(bundle), of=1)
    ways = []
    for start, tip, bow in zip(starts, ends, bows, strict=True):
        # A head that stood steeper would run into the box.
        slope = max(-steepest, min(steepest, (tip.y - bow.y) / max(tip.x - bow.x, 1.0)))
        along = Point(1 / hypot(1, slope), slope / hypot(1, slope))
        foot = Point(tip.x - length * along.x, tip.y - length * along.y)
        sides = (
            Point(foot.x - half * along.y, foot.y + half * along.x),
            Point(foot.x + half * along.y, foot.y - half * along.x),
        )
        ways.append((Curve(start, bow, foot), (tip, *sides)))
    return ways


def _bow(
    boxes: Sequence[Box], source: int, target: int, bundle: float, height: float, again: int
) -> Point:
    """The control point of the flattest curve that keeps clear of the boxes it passes.

    ``again`` counts the edges between the same two states before it, which it keeps off.
    """
    start, end = boxes[source], boxes[target]
    x, y = (start.x + end.x) / 2, (start.y + end.y) / 2
    outwards = 1 if start.y >= height / 2 else -1
    others = [b for i, b in enumerate(boxes) if i not in (source, target)]
    passed = [b for b in others if start.x < b.x < end.x]
    if again:
        return Point(x, y + again * 2.5 * (bundle + 4))
    controls = [y + sign * 6 * k for k in range(40) for sign in (outwards, -outwards)]

    def price(control: float) -> float:
        places = _points(Curve(Point(start.x, start.y), Point(x, control), Point(end.x, end.y)))
        outside = max(0.0, bundle - places[:, 1].min(), places[:, 1].max() - height + bundle)
        return outside + sum(_depth(places, box, bundle / 2 + 4) for box in passed)

    prices = []
    for control in controls:
        prices.append(price(control))
        if prices[-1] == 0:
            break
    return Point(x, controls[int(np.argmin(prices))])


def _points(curve: Curve) -> NDArray[np.float64]:
    """Points of a curve, (moments, 2)."""
    t = _MOMENTS[:, None]
    start, control, end = (np.array(point) for point in curve)
    found: NDArray[np.float64] = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    return found


def _depth(places: NDArray[np.float64], box: Box, gap: float) -> float:
    """How far points lie inside a box that is wider by ``gap``, summed up."""
    x = box.width / 2 + gap - np.abs(places[:, 0] - box.x)
    y = box.height / 2 + gap - np.abs(places[:, 1] - box.y)
    return float(np.minimum(x, y).clip(min=0).sum())


def _ports(
    links: Sequence[tuple[int, int]],
    boxes: Sequence[Box],
    bows: Sequence[Point],
    apart: float,
    of: int,
) -> list[Point]:
    """Where edges leave (``of`` 0) or reach (1) their boxes: beside each other, in order."""
    ports = [Point(0.0, 0.0)] * len(links)
    for state, box in enumerate(boxes):
        here = [e for e, link in enumerate(links) if link[of] == state]
        far = {e: bows[e] for e in here}
        here.sort(key=lambda e: atan2(far[e].y - box.y, abs(far[e].x - box.x)))
        side = box.width / 2 + 2
        for k, e in enumerate(here):
            y = box.y + (k - (len(here) - 1) / 2) * apart
            ports[e] = Point(box.x + (side - 2 if of == 0 else -side), y)
    return ports


def _labels(
    cell: Drawn,
    boxes: Sequence[Box],
    ways: Sequence[tuple[Curve, tuple[Point, Point, Point]]],
    bundle: float,
    font: float,
    size: tuple[float, float],
) -> list[Box | None]:
    """A place beside each edge, those with the least choice first."""
    if len(ways) > _LABELLED:
        return [None] * len(ways)
    taken = [*boxes, *(Way(*way, None).head_box for way in ways)]
    points = [_points(curve) for curve, _ in ways]
    choices = [
        _choices(number, cell.characters[number], points, taken, bundle, font, size)
        for number in range(len(ways))
    ]
    found: list[Box | None] = [None] * len(ways)
    left = {number for number, boxes_of in enumerate(choices) if boxes_of}
    while left:
        number = min(left, key=lambda n: (len(choices[n]), n))
        left.remove(number)
        if not choices[number]:
            continue
        _, chosen = min(choices[number])
        found[number] = chosen
        for other in left:
            choices[other] = [c for c in choices[other] if not c[1].meets(chosen, 2)]
    return found


def _choices(
    number: int,
    characters: int,
    points: Sequence[NDArray[np.float64]],
    taken: Sequence[Box],
    bundle: float,
    font: float,
    size: tuple[float, float],
) -> list[tuple[float, Box]]:
    """Places for the label of an edge, with what they cover of other edges."""
    if not characters:
        return []
    width, height = ceil(CHARACTER * font * characters + CHIP * font) + 4.0, 1.25 * font
    found = []
    own = points[number]
    others = np.concatenate([p for n, p in enumerate(points) if n != number] or [np.zeros((0, 2))])
    for t in _PLACES:
        place = round(t * (len(own) - 1))
        x, y = own[place]
        dx, dy = own[min(place + 1, len(own) - 1)] - own[max(place - 1, 0)]
        span = hypot(dx, dy) or 1.0
        # The box touches the bundle's side, wherever the edge runs.
        reach = abs(dy / span) * width / 2 + abs(dx / span) * height / 2 + bundle / 2 + 2
        for away in (0.0, 0.6 * font, 1.2 * font):
            for side in (-1, 1):
                off = side * (reach + away)
                box = Box(
                    round(float(x - off * dy / span), 1),
                    round(float(y + off * dx / span), 1),
                    width,
                    height,
                )
                inside = (
                    width / 2 <= box.x <= size[0] - width / 2
                    and height / 2 <= box.y <= size[1] - height / 2
                )
                if not inside or any(box.meets(other, 1) for other in taken):
                    continue
                covered = _covered(others, box, bundle) + 8 * _covered(own, box, bundle)
                found.append((covered + away / font + abs(t - 0.5), box))
    return found


def _covered(points: NDArray[np.float64], box: Box, bundle: float) -> int:
    """How many points of bundles lie under a box."""
    x = np.abs(points[:, 0] - box.x) < (box.width + bundle) / 2
    y = np.abs(points[:, 1] - box.y) < (box.height + bundle) / 2
    return int((x & y).sum())
