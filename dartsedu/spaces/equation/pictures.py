"""Pictures of what a search for equations found: the law on its data, and every restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
from matplotlib.mathtext import MathTextParser

from dartsedu.base.yardstick import number
from dartsedu.data.tables import TableTask
from dartsedu.show.palette import INK, SOFT, SPLIT_COLOURS, label
from dartsedu.show.picture import Picture, blank_picture

TEST_COLOUR = "#9a3412"
FOUND_COLOUR, RANDOM_COLOUR = INK, SOFT
_MARKS = {"weights": "o", "architecture": "s", "test": "^"}


def law_figure(task: TableTask, predictions: Mapping[str, Sequence[float]], latex: str) -> Picture:
    """The data with a formula through them, and what it leaves over.

    ``predictions`` are those of the rows of each split, in the target's units. With one variable
    the curve is drawn over it, with more the prediction against the target. Raises ``ValueError``
    unless there is a prediction for every row.
    """
    tables = {name: task.table(split) for name, split in task.parts().items()}
    for name, table in tables.items():
        if len(predictions.get(name, ())) != len(table.targets):
            raise ValueError(
                f"there are predictions for {len(predictions.get(name, ()))} rows of the split "
                f"{name!r}, but the table has {len(table.targets)}; it has changed since the search"
            )
    target, single = label(task.targets[0]), len(task.variables) == 1
    rests = {name: table.targets - predictions[name] for name, table in tables.items()}
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = {name: float(np.sqrt(np.square(rest).mean())) for name, rest in rests.items()}
    alt = (
        f"{task.targets[0]} and the formula {latex}. Root mean square of what is left: "
        + ", ".join(f"{name} {number(value, '.3g')}" for name, value in deviation.items())
        + "."
    )
    picture, axes = blank_picture(1, 2, 10.0, 3.6, alt)
    left, right = axes[0]
    for name, table in tables.items():
        colour = SPLIT_COLOURS.get(name, TEST_COLOUR)
        style = {"color": colour, "marker": _MARKS[name], "s": 14, "alpha": 0.6, "linewidths": 0}
        across = table.inputs[:, 0] if single else table.targets
        left.scatter(across, table.targets if single else predictions[name], label=name, **style)
        right.scatter(predictions[name], rests[name], **style)
    if single:
        at = np.concatenate([table.inputs[:, 0] for table in tables.values()])
        curve = np.concatenate([np.asarray(predictions[name]) for name in tables])
        order = at.argsort()
        left.plot(at[order], curve[order], color="black", linewidth=1.6, label="formula")
    else:
        every = np.concatenate([table.targets for table in tables.values()])
        ends = [every.min(), every.max()]
        left.plot(ends, ends, color="black", linewidth=1.2, label="exact")
    left.set_xlabel(label(task.variables[0]) if single else f"{target}, observed")
    left.set_ylabel(target if single else f"{target}, predicted")
    left.legend()
    right.axhline(0, color="black", linewidth=1)
    right.set_xlabel(f"{target}, predicted")
    right.set_ylabel("observed − predicted")
    typeset = len(latex) < 60 and _is_mathtext(latex)
    left.set_title(f"{target} = ${latex}$" if typeset else f"{target} by the formula")
    right.set_title("Residuals")
    return picture


def _is_mathtext(latex: str) -> bool:
    """Whether matplotlib can typeset a formula; of names it knows ASCII alone for sure."""
    try:
        MathTextParser("path").parse(f"${latex}$")
    except ValueError:
        return False
    return latex.isascii()


def restarts_figure(errors: Sequence[float], random_errors: Sequence[float]) -> Picture:
    """Held-out errors of all restarts, best first, beside those of random graphs.

    Errors in standard deviations of the target, on a logarithmic scale; those that are not finite
    are counted. Raises ``ValueError`` if none is.
    """
    given = {"found by the search": errors, "random graphs": random_errors}
    groups = {name: [v for v in values if isfinite(v)] for name, values in given.items()}
    if not any(groups.values()):
        raise ValueError("no restart has a finite error; there is nothing to draw")
    told = "; ".join(
        f"{name}: best {min(values):.3g}, median {float(np.median(values)):.3g}"
        for name, values in groups.items()
        if values
    )
    if left_out := sum(map(len, given.values())) - sum(map(len, groups.values())):
        told += f"; without a finite error: {left_out}"
    picture, axes = blank_picture(1, 1, 6.4, 3.2, f"Held-out error of every restart. {told}.")
    axis = axes[0, 0]
    styles = ((FOUND_COLOUR, "-", "o"), (RANDOM_COLOUR, "--", "s"))
    for (name, values), (colour, line, mark) in zip(groups.items(), styles, strict=True):
        if values:
            shown = np.clip(sorted(values), 1e-12, 1e99)
            axis.plot(
                np.arange(1, len(shown) + 1),
                shown,
                line,
                color=colour,
                marker=mark,
                markersize=3,
                label=name,
            )
    axis.set_yscale("log")
    axis.set_xlabel("restart, best first")
    axis.set_ylabel("error / deviation")
    axis.legend()
    return picture
