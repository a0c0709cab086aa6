"""The equation space: a law found from data as a graph of functions (Musslick 2021)."""

from dartsedu.equation.discovery import Candidate, Discovery, Restart, conclude, random_alphas
from dartsedu.equation.expression import Equation, Formula, formula
from dartsedu.equation.operations import AUTORA_PRIMITIVES, OPERATIONS, PRIMITIVES
from dartsedu.equation.supernet import EquationSupernet, Output, equation_space
from dartsedu.table import Table
from dartsedu.tasks import EquationTask, table_task

__all__ = [
    "AUTORA_PRIMITIVES",
    "OPERATIONS",
    "PRIMITIVES",
    "Candidate",
    "Discovery",
    "Equation",
    "EquationSupernet",
    "EquationTask",
    "Formula",
    "Output",
    "Restart",
    "Table",
    "conclude",
    "equation_space",
    "formula",
    "random_alphas",
    "table_task",
]
