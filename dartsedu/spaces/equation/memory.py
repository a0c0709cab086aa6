"""How much memory a search for equations needs at the least, see ``spaces.memory``."""

from __future__ import annotations

from dartsedu.data.tables import TableTask
from dartsedu.spaces.equation.operations import OPERATIONS, PRIMITIVES, degrees_of_freedom
from dartsedu.spaces.equation.settings import EquationSettings
from dartsedu.spaces.memory import DOUBLE, copies, dense_edges


def search_memory(settings: EquationSettings, task: TableTask) -> int:
    """The larger of the search and its end, where least squares squares the coefficients."""
    inner = settings.supernet
    names = PRIMITIVES if inner.primitives is None else inner.primitives
    edges, rows = dense_edges(len(task.variables), inner.nodes), len(task.weights)
    own = sum(degrees_of_freedom(p) for p in names if p in OPERATIONS)
    coefficients = edges * own + inner.nodes + 1
    values = edges * len(names) * min(rows, settings.search.batch_size)
    search = inner.restarts * (
        copies(settings.search.weights) * coefficients + 4 * edges * len(names) + values
    )
    restarts = max(inner.restarts, settings.train.random_restarts)
    # JᵀJ, its damped form and the factors of that; the coefficients of every row and their slopes.
    refit = restarts * coefficients * (3 * coefficients + 2 * rows)
    return DOUBLE * max(search, refit)
