"""A scikit-learn estimator that explains a table by an equation.

Parameters, attributes and methods are those of ``DARTSRegressor`` in ``autora-theorist-darts``
1.1.0 (Musslick 2021), where they have a meaning; ``docs/equations.md`` says what differs and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Self

import graphviz
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from dartsedu.base.values import explain
from dartsedu.data.tables import TableTask, table_task
from dartsedu.search import Search
from dartsedu.spaces.equation.discovery import Discovery, conclude
from dartsedu.spaces.equation.drawing import Format, equation_dot, equation_lines
from dartsedu.spaces.equation.expression import Equation
from dartsedu.spaces.equation.formulas import Formula
from dartsedu.spaces.equation.monitor import Leader
from dartsedu.spaces.equation.names import latex_of
from dartsedu.spaces.equation.operations import PRIMITIVES
from dartsedu.spaces.equation.output import Output
from dartsedu.spaces.equation.parameters import (
    ParameterError,
    Parameters,
    check_sizes,
    check_targets,
    kind_of,
)
from dartsedu.spaces.equation.supernet import EquationSupernet
from dartsedu.stream.stream import seed_of

FEWEST_ROWS = 5
"""Fewer cannot be divided into rows that fit and rows that judge."""
Monitor = Callable[..., Any]


class DARTSRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc] # No types there.
    """Finds an equation that explains ``y`` by the columns of ``X``.

    Many searches run side by side, each from a start of its own: architecture and coefficients
    descend in turn, on different rows. Every restart's graph is then cut out of its mixture, its
    coefficients are fitted by least squares, and the simplest of the best on the rows that no
    coefficient has seen is kept.

    Args:
        batch_size: rows of a step; of as many or more all rows are one batch.
        num_graph_nodes: latent nodes of the graph.
        output_type: ``real``; ``sigmoid``, ``probability`` or ``probability_sample`` for numbers
            in 0…1 (all three the same); ``probability_distribution`` for columns that sum to 1, or
            for one, the chance of one outcome (the same as ``probability``).
        classifier_weight_decay: decay of the output's coefficients during the search.
        darts_type: ``original`` for softmax, ``fair`` for sigmoid mixtures with a zero-one loss.
        init_weights_function: applied to the supernet before the search, as
            ``torch.nn.Module.apply`` does.
        param_updates_per_epoch: steps of the coefficients in an epoch, rounded up so that every
            step of the architecture is followed by as many.
        param_updates_for_sampled_model: steps of the final least squares, at most.
        param_learning_rate_max, param_learning_rate_min: of the coefficients, first and last.
        param_momentum, param_weight_decay: of the coefficients' SGD.
        arch_updates_per_epoch: steps of the architecture in an epoch; 0: none in the whole fit,
            the random starts are what is fitted (a random search).
        arch_learning_rate_max: of the architecture's Adam.
        arch_weight_decay: of α, added to the gradient.
        arch_weight_decay_df: penalty of a term and of each of its coefficients, in the loss.
        arch_weight_decay_base: further penalty of a term, times ``num_graph_nodes``.
        arch_momentum: β₁ of the architecture's Adam.
        fair_darts_loss_weight: of the zero-one loss, for ``fair``.
        max_epochs: epochs of the search.
        grad_clip: largest norm of a restart's gradient; ``None``: no limit.
        primitives: names of the functions an edge may be, of ``equation.OPERATIONS`` and *none*.
        train_classifier_coefficients: whether the output's factors are found; else they are 1.
        train_classifier_bias: whether the output's constant is found; else it is 0.
        execution_monitor: called after every epoch with keywords only: ``network`` and
            ``architect``, both a ``monitor.Leader``, ``epoch``, ``X``, ``y`` and the parameters
            here but ``architect``.
        sampling_strategy: the largest α of an edge (``max``) or a draw by its mixture weights.
        restarts: searches side by side.
        architect: how the gradient of the architecture is taken (``dartsedu.architect``).
        architecture_share: part of the rows that train α and choose among the equations.
        random_state: seed or generator of the starts, the division of the rows and their order.

    Attributes:
        X_, y_: what ``fit`` was given.
        network_: the supernet with all restarts.
        model_: the found graph with its coefficients, an ``Equation``.
        discovery_: what every restart found, and the formulas that explain the data almost as
            well.
        formula_: the ``Formula`` that ``predict`` computes; ``None`` unless the output is one real
            number.
        n_features_in_, feature_names_in_: as in every estimator.
    """

    def __init__(
        self,
        batch_size: int = 64,
        num_graph_nodes: int = 2,
        output_type: str = "real",
        classifier_weight_decay: float = 1e-2,
        darts_type: str = "original",
        init_weights_function: Callable[[torch.nn.Module], Any] | None = None,
        param_updates_per_epoch: int = 5,
        param_updates_for_sampled_model: int = 40,
        param_learning_rate_max: float = 0.05,
        param_learning_rate_min: float = 0.01,
        param_momentum: float = 0.9,
        param_weight_decay: float = 3e-4,
        arch_updates_per_epoch: int = 1,
        arch_learning_rate_max: float = 0.05,
        arch_weight_decay: float = 1e-4,
        arch_weight_decay_df: float = 3e-4,
        arch_weight_decay_base: float = 0.0,
        arch_momentum: float = 0.5,
        fair_darts_loss_weight: float = 1.0,
        max_epochs: int = 30,
        grad_clip: float | None = 5.0,
        primitives: Sequence[str] = PRIMITIVES,
        train_classifier_coefficients: bool = True,
        train_classifier_bias: bool = True,
        execution_monitor: Monitor | None = None,
        sampling_strategy: str = "max",
        *,
        restarts: int = 64,
        architect: str = "first-order",
        architecture_share: float = 0.4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.num_graph_nodes = num_graph_nodes
        self.output_type = output_type
        self.classifier_weight_decay = classifier_weight_decay
        self.darts_type = darts_type
        self.init_weights_function = init_weights_function
        self.param_updates_per_epoch = param_updates_per_epoch
        self.param_updates_for_sampled_model = param_updates_for_sampled_model
        self.param_learning_rate_max = param_learning_rate_max
        self.param_learning_rate_min = param_learning_rate_min
        self.param_momentum = param_momentum
        self.param_weight_decay = param_weight_decay
        self.arch_updates_per_epoch = arch_updates_per_epoch
        self.arch_learning_rate_max = arch_learning_rate_max
        self.arch_weight_decay = arch_weight_decay
        self.arch_weight_decay_df = arch_weight_decay_df
        self.arch_weight_decay_base = arch_weight_decay_base
        self.arch_momentum = arch_momentum
        self.fair_darts_loss_weight = fair_darts_loss_weight
        self.max_epochs = max_epochs
        self.grad_clip = grad_clip
        self.primitives = primitives
        self.train_classifier_coefficients = train_classifier_coefficients
        self.train_classifier_bias = train_classifier_bias
        self.execution_monitor = execution_monitor
        self.sampling_strategy = sampling_strategy
        self.restarts = restarts
        self.architect = architect
        self.architecture_share = architecture_share
        self.random_state = random_state

    # ---- The search -----------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Search for an equation, from the beginning.

        Without steps of the architecture (``max_epochs`` or ``arch_updates_per_epoch`` 0) a second
        ``fit`` keeps the architecture that the first one found and fits its coefficients anew.

        ``X`` (rows, variables), ``y`` (rows,) or (rows, outputs). Raises ``ValueError`` for a
        parameter out of its range, fewer than 5 rows, numbers that are not finite or whose squares
        are not, names of columns that are not different, or targets that ``output_type`` cannot
        give.
        """
        given = self._checked()
        table, targets = validate_data(
            self,
            X,
            y,
            dtype=np.float64,
            multi_output=True,
            y_numeric=True,
            ensure_min_samples=FEWEST_ROWS,
        )
        targets = np.asarray(targets, dtype=np.float64)
        flat = targets.ndim == 1
        targets = targets.reshape(len(table), -1)
        kind = kind_of(given.output_type, targets.shape[1])
        check_targets(targets, given.output_type)
        check_sizes(np.column_stack([table, targets]))
        seed = int(check_random_state(given.random_state).randint(np.iinfo(np.int32).max))
        free = given.train_classifier_coefficients and given.train_classifier_bias
        task = table_task(
            table,
            targets,
            variables=_names(X, table, "x"),
            target_names=_names(y, targets, "y"),
            shares=(1 - given.architecture_share, given.architecture_share, 0.0),
            split_seed=seed,
            scale_targets=kind == "real" and free,
            fewest=FEWEST_ROWS,
        )
        output = Output(
            kind,
            targets.shape[1],
            scale=given.train_classifier_coefficients,
            offset=given.train_classifier_bias,
        )
        supernet = given.supernet(output, task, seed)
        if given.max_epochs * given.arch_updates_per_epoch == 0:
            self._keep_architecture(supernet)
        self._search(supernet, task, given, seed, X, y)
        discovery = conclude(
            supernet,
            task,
            given.sampling_strategy,
            seed=seed_of(seed, "sample"),
            refit_steps=given.param_updates_for_sampled_model,
        )
        self.X_, self.y_, self._flat = X, y, flat
        self.network_ = supernet
        self.discovery_: Discovery = discovery
        self.model_: Equation = discovery.equation
        self.formula_: Formula | None = discovery.formula if discovery.candidates else None
        return self

    def _checked(self) -> Parameters:
        try:
            return Parameters.model_validate(self.get_params(deep=False))
        except ValidationError as error:
            raise ParameterError(explain(error, type(self).__name__)) from None

    def _search(
        self,
        supernet: EquationSupernet,
        task: TableTask,
        given: Parameters,
        seed: int,
        X: ArrayLike,
        y: ArrayLike,
    ) -> None:
        """Train the supernet for all epochs, telling the monitor of each."""
        steps = given.max_epochs * given.arch_updates_per_epoch
        if steps == 0:
            return
        search = Search(supernet, task, given.settings(task, steps), seed=seed)
        for step in islice(search, steps):
            epoch, within = divmod(step.index, given.arch_updates_per_epoch)
            if self.execution_monitor and within + 1 == given.arch_updates_per_epoch:
                leader = Leader(supernet, step)
                told = {"network": leader, "architect": leader, "epoch": epoch, "X": X, "y": y}
                self.execution_monitor(**{**self.get_params(deep=False), **told})

    def _keep_architecture(self, supernet: EquationSupernet) -> None:
        """Start where the last fit ended, if it was of the same graph: α stay what they were."""
        before = getattr(self, "network_", None)
        if before is None or before.space != supernet.space:
            return
        state, start = before.state_dict(), supernet.state_dict()
        if {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in start.items()}:
            supernet.load_state_dict(state)

    # ---- What was found -------------------------------------------------------------------------

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predictions, (rows,) if ``y`` was so, else (rows, outputs).

        They are ``formula_``'s. Where that has no finite value (a logarithm of a negative number),
        and for outputs that have no formula, they are ``model_``'s, which is finite everywhere.
        """
        check_is_fitted(self)
        table = validate_data(self, X, reset=False, dtype=np.float64)
        found = self.model_.predict(table)
        if self.formula_ is not None:
            exact = self.formula_.predict(table)
            found[:, 0] = np.where(np.isfinite(exact), exact, found[:, 0])
        return found[:, 0] if self._flat else found

    @property
    def equation_(self) -> Equation:
        """The found graph with its coefficients; the same as ``model_``."""
        check_is_fitted(self)
        return self.model_

    def sympy(self, output: int = 0) -> Any:
        """An output as a SymPy expression of the variables: what ``predict`` computes."""
        import sympy as sp

        check_is_fitted(self)
        if self.formula_ is not None:
            return self.formula_.expression
        combined = self.model_.expressions()
        if self.model_.kind == "sigmoid":
            return 1 / (1 + sp.exp(-combined[output]))
        if self.model_.kind == "softmax":
            return sp.exp(combined[output]) / sp.Add(*map(sp.exp, combined))
        return combined[output]

    def latex(self, output: int = 0) -> str:
        """An output as LaTeX, constants rounded to their uncertainty or to 3 digits."""
        check_is_fitted(self)
        if self.formula_ is not None:
            return self.formula_.latex()
        return latex_of(self.sympy(output).evalf(3))

    def visualize_model(self, input_labels: Sequence[str] | None = None) -> graphviz.Digraph:
        """``model_`` as a Graphviz graph, each edge with its function of x, where it comes from."""
        check_is_fitted(self)
        return equation_dot(self.model_, self._inputs(input_labels), self._outputs(None))

    def model_repr(
        self,
        input_labels: Sequence[str] | None = None,
        output_labels: Sequence[str] | None = None,
        output_function_label: str = "",
        decimals_to_display: int = 2,
        output_format: Format = "console",
    ) -> str:
        """``model_`` node by node, in the units of the data.

        Args:
            input_labels, output_labels: names of the columns; default: those of ``fit``'s data.
            output_function_label: name of what is applied to the outputs; default: that of the
                output type.
            decimals_to_display: of every number.
            output_format: ``console`` or ``latex`` (without dollar signs).

        Raises ``ValueError`` for another format or another number of labels.
        """
        check_is_fitted(self)
        if output_format not in ("console", "latex"):
            raise ValueError(
                f"output_format must be either 'latex' or 'console'; got {output_format!r}"
            )
        lines = equation_lines(
            self.model_,
            self._inputs(input_labels),
            self._outputs(output_labels),
            output_function_label,
            decimals_to_display,
            output_format,
        )
        return "\n".join(["Model:", *lines])

    def _inputs(self, labels: Sequence[str] | None) -> Sequence[str]:
        return _labels(labels, self.model_.variables, "input_labels")

    def _outputs(self, labels: Sequence[str] | None) -> Sequence[str]:
        names = _names(self.y_, np.empty((0, len(self.model_.constants))), "y")
        return _labels(labels, names, "output_labels")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _names(given: Any, table: NDArray[np.float64], letter: str) -> tuple[str, ...]:
    """Names of the columns, of a data frame or series if it has them, else x1, x2, …"""
    columns = getattr(given, "columns", None)
    if columns is None and isinstance(getattr(given, "name", None), str):
        columns = [given.name]
    names = () if columns is None else tuple(columns)
    if not (names and all(isinstance(name, str) for name in names)):
        names = tuple(f"{letter}{i + 1}" for i in range(table.shape[1]))
    if len(set(names)) < len(names):
        raise ValueError(f"the columns {', '.join(names)} have to have different names")
    return names


def _labels(labels: Sequence[str] | None, names: Sequence[str], what: str) -> Sequence[str]:
    if labels is None:
        return names
    if len(labels) != len(names):
        raise ValueError(f"{what} has {len(labels)} names; expected {len(names)}")
    return labels
