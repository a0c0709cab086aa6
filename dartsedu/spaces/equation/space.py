"""The space of equations as the rest of the package sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from dartsedu.data.tables import TableTask
from dartsedu.methods.method import Method
from dartsedu.relaxation import Supernet
from dartsedu.search import Search
from dartsedu.spaces.equation import memory
from dartsedu.spaces.equation.discovery import LONGEST
from dartsedu.spaces.equation.findings import Findings, find
from dartsedu.spaces.equation.operations import PRIMITIVES
from dartsedu.spaces.equation.settings import EquationSettings
from dartsedu.spaces.equation.supernet import EquationSupernet, equation_space
from dartsedu.spaces.equation.words import APPEARANCE, VOCABULARY
from dartsedu.spaces.space import Conclusion, Progress, Space
from dartsedu.topology import SearchSpace

if TYPE_CHECKING:  # Plotting is loaded when something is drawn.
    from dartsedu.show.picture import Picture


MANY_TERMS = 20
"""Of an equation, from which on writing it takes longer than the search."""


class EquationSpace(Space):
    """Graphs of functions that explain a table (Musslick 2021)."""

    name = "equation"
    vocabulary = VOCABULARY
    appearance = APPEARANCE
    settings = EquationSettings
    tasks = TableTask
    default_preset = "equation"
    findings = Findings
    negative_loss = True  # The zero-one loss of Fair DARTS is.
    search_sizes = ("supernet.nodes", "supernet.restarts", "train.random_restarts")
    nothing_to_train = "the coefficients of an equation are fitted when its search ends"

    def search_space(
        self, settings: EquationSettings, task: TableTask | None = None
    ) -> SearchSpace:
        """An input for each variable of ``task``; one, where none is given."""
        given = settings.supernet
        return equation_space(
            1 if task is None else len(task.variables),
            given.nodes,
            PRIMITIVES if given.primitives is None else given.primitives,
            given.relaxation,
        )

    def supernet(self, space: SearchSpace, settings: EquationSettings, task: TableTask) -> Supernet:
        given = settings.supernet
        return EquationSupernet(
            space,
            restarts=given.restarts,
            complexity=given.complexity,
            alpha_scale=given.alpha_scale,
        )

    def lacks(self, method: Method) -> str:
        if method.stop.kind == "eigenvalue":
            return (
                "stop=eigenvalue looks at one α, and an equation is searched by many restarts, "
                "each with its own; choose another stop"
            )
        return super().lacks(method)

    def search_memory(self, settings: EquationSettings, task: TableTask) -> int:
        return memory.search_memory(settings, task)

    def beforehand(self, space: SearchSpace, settings: EquationSettings) -> str:
        (cell,) = space.cells
        # Of node j, 2ʲ⁻¹ (variables + 1) − 1: it hears all variables and all earlier nodes.
        nodes = len(cell.predecessors)
        terms = min((cell.inputs + 1) * (2**nodes - 1) - nodes, LONGEST)
        if terms <= MANY_TERMS:
            return ""
        return (
            f"an equation may have {terms} terms here. To write one short, some {terms**2 // 2} "
            f"forms or more are tried, and up to {settings.train.formulas} are written: that can "
            "take many minutes after the last step. Fewer columns (--variables), supernet.nodes "
            "or train.formulas take less"
        )

    def conclude(
        self,
        search: Search,
        settings: EquationSettings,
        seed: int,
        progress: Progress | None = None,
    ) -> Conclusion:
        """Every restart refitted and compared; the genotype is that of the preferred equation."""
        supernet, task = search.supernet, search.task
        assert isinstance(supernet, EquationSupernet)
        assert isinstance(task, TableTask)
        discovery, findings = find(supernet, task, settings, seed, progress)
        equation = discovery.equation
        return Conclusion(
            equation.genotype(),
            findings,
            {"equation.json": equation.model_dump_json(indent=2) + "\n"},
        )

    def pictures(
        self, findings: Findings, task: Callable[[], TableTask]
    ) -> Mapping[str, Callable[[], Picture]]:
        from dartsedu.spaces.equation.pictures import law_figure, restarts_figure

        return {
            "law": lambda: law_figure(task(), findings.predictions, findings.found[0].latex),
            "restarts": lambda: restarts_figure(findings.errors, findings.random_errors),
        }

    def told(self, findings: Findings, settings: EquationSettings) -> Sequence[str]:
        shown = self.yardstick.show
        target = settings.task.explained
        lines = [
            f"{target} = {found.formula}   (test error {shown(found.test_error)})"
            for found in findings.found[:3]
        ]
        random = findings.random_found
        if random is not None:
            lines.append(
                f"of as many random graphs: {random.formula}   "
                f"(test error {shown(random.test_error)})"
            )
        if findings.truth is not None:
            said = "the law that made the data" if findings.recovered else "not the law"
            lines.append(f"the data came from {target} = {findings.truth}: the first is {said}")
        return lines


SPACE = EquationSpace()
