"""Where the states of a cell stand and its edges run in a picture, without Graphviz.

Plain numbers for every picture of a cell: matplotlib's, and the live view's in the browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import hypot
from typing import NamedTuple


class Point(NamedTuple):
    """A place in a picture: one unit of x is a column, y grows upwards."""

    x: float
    y: float


class Curve(NamedTuple):
    """A quadratic Bézier curve."""

    start: Point
    control: Point
    end: Point

    def at(self, t: float) -> Point:
        """The point at t in 0…1."""
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        return Point(*(a * p + b * q + c * r for p, q, r in zip(*self, strict=True)))

    def beside(self, distance: float) -> Curve:
        """The curve that runs about so far to its left, seen with y upwards."""
        legs = (self.start, self.control), (self.start, self.end), (self.control, self.end)
        moved = []
        for point, (one, other) in zip(self, legs, strict=True):
            x, y = other.x - one.x, other.y - one.y
            span = hypot(x, y) or 1.0
            moved.append(Point(point.x - distance * y / span, point.y + distance * x / span))
        return Curve(*moved)

    def shortened(self, gap: float) -> Curve:
        """The curve without its ends, so that arrows do not run under the boxes of the states."""
        span = hypot(self.end.x - self.start.x, self.end.y - self.start.y)
        first, last = gap / span * 1.1, 1 - gap / span * 1.1
        a, b = (1 - first) * (1 - last), first * (1 - last) + last * (1 - first)
        middle = (
            a * p + b * q + first * last * r
            for p, q, r in zip(self.start, self.control, self.end, strict=True)
        )
        return Curve(self.at(first), Point(*middle), self.at(last))


class Layout(NamedTuple):
    """A drawn cell: a place for every state and for the output, a curve for every link."""

    states: tuple[Point, ...]
    output: Point
    curves: tuple[Curve, ...]

    @property
    def heights(self) -> tuple[float, float]:
        """The lowest and the highest y of the states."""
        return min(p.y for p in self.states), max(p.y for p in self.states)


def arrange(inputs: int, nodes: int, links: Sequence[tuple[int, int]]) -> Layout:
    """Lay out a cell whose ``links`` go from state to later state, more than one a pair if wanted.

    Inputs stand at x = 0, one above the other. A node stands one right of its latest predecessor,
    columns lying by turns above and below the middle line. The output stands rightmost.
    """
    return _arrange(inputs, nodes, tuple((source, target) for source, target in links))


@lru_cache
def _arrange(inputs: int, nodes: int, links: tuple[tuple[int, int], ...]) -> Layout:
    places = {i: Point(0.0, (inputs - 1) - 2.0 * i) for i in range(inputs)}
    columns: dict[float, int] = {}
    for state in range(inputs, inputs + nodes):
        sources = [places[source].x for source, target in links if target == state]
        x = 1 + max(sources, default=0.0)
        lane = columns.get(x, 0)
        columns[x] = lane + 1
        side = 1 if (lane + x) % 2 else -1
        places[state] = Point(x, side * (0.5 + lane // 2))
    states = tuple(places[state] for state in range(inputs + nodes))
    curves, seen = [], dict[tuple[int, int], int]()
    for source, target in links:
        again = seen.get((source, target), 0)
        seen[source, target] = again + 1
        others = [place for i, place in enumerate(states) if i not in (source, target)]
        curves.append(_flattest(states[source], states[target], others, 0.35 * again))
    return Layout(states, Point(max(p.x for p in states) + 1, 0.0), tuple(curves))


_BOWS = tuple(sign * 0.2 * size for size in range(13) for sign in (1, -1))
_MOMENTS = tuple(0.1 * k for k in range(1, 10))


def _flattest(start: Point, end: Point, others: Sequence[Point], raised: float) -> Curve:
    """The flattest curve that keeps clear of the other states, bowing outwards if either will do.

    ``raised`` lifts it off another curve between the same two.
    """
    x, y = (start.x + end.x) / 2, (start.y + end.y) / 2
    outwards = 1 if start.y >= 0 else -1
    curves = [Curve(start, Point(x, y + outwards * bow + raised), end) for bow in _BOWS]
    return next((curve for curve in curves if _clear(curve, others)), curves[0])


def _clear(curve: Curve, others: Sequence[Point]) -> bool:
    """Whether no box of a state, about 0.7 wide and 0.64 high, lies in the curve's way."""
    return all(
        ((p.x - other.x) / 0.35) ** 2 + ((p.y - other.y) / 0.32) ** 2 > 1
        for p in map(curve.at, _MOMENTS)
        for other in others
    )
