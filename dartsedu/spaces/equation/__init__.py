"""The equation space: a law found from data as a graph of functions (Musslick 2021).

The estimator, which needs scikit-learn and the search, is loaded when it is first used.
"""

from typing import TYPE_CHECKING, Any

from dartsedu.data.table import Table
from dartsedu.data.tables import TableTask, table_task
from dartsedu.spaces.equation.discovery import (
    Candidate,
    Discovery,
    Restart,
    conclude,
    random_alphas,
)
from dartsedu.spaces.equation.expression import Equation
from dartsedu.spaces.equation.formulas import Formula, formula
from dartsedu.spaces.equation.operations import AUTORA_PRIMITIVES, OPERATIONS, PRIMITIVES
from dartsedu.spaces.equation.output import Output
from dartsedu.spaces.equation.supernet import EquationSupernet, equation_space

if TYPE_CHECKING:
    from dartsedu.spaces.equation.monitor import DARTSExecutionMonitor
    from dartsedu.spaces.equation.regressor import DARTSRegressor

__all__ = [
    "AUTORA_PRIMITIVES",
    "OPERATIONS",
    "PRIMITIVES",
    "Candidate",
    "DARTSExecutionMonitor",
    "DARTSRegressor",
    "Discovery",
    "Equation",
    "EquationSupernet",
    "Formula",
    "Output",
    "Restart",
    "Table",
    "TableTask",
    "conclude",
    "equation_space",
    "formula",
    "random_alphas",
    "table_task",
]


def __getattr__(name: str) -> Any:
    if name == "DARTSRegressor":
        from dartsedu.spaces.equation.regressor import DARTSRegressor

        return DARTSRegressor
    if name == "DARTSExecutionMonitor":
        from dartsedu.spaces.equation.monitor import DARTSExecutionMonitor

        return DARTSExecutionMonitor
    raise AttributeError(f"module 'dartsedu.spaces.equation' has no attribute {name!r}")
