"""Laws of psychology and physics to find again: data with noise, each with its truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import sympy

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """A law that is known, as a generator of data.

    Attributes:
        name: as in ``LAWS`` and on the command line.
        title: what people call it.
        source: who stated it, and where.
        variables: for each variable the range from which it is sampled, evenly.
        parameters: the constants and their values.
        target: name of what the law predicts.
        numeric: the law in NumPy, called with variables and parameters by name.
        symbolic: the law in SymPy, called with the same names.

    The two forms are written apart, and a test holds them together.
    """

    name: str
    title: str
    source: str
    variables: Mapping[str, tuple[float, float]]
    parameters: Mapping[str, float]
    target: str
    numeric: Callable[..., Array] = field(repr=False)
    symbolic: Callable[..., Any] = field(repr=False)

    @property
    def expression(self) -> sympy.Expr:
        """The law as a SymPy expression of its variables, parameters put in as numbers."""
        import sympy

        symbols = {name: sympy.Symbol(name) for name in self.variables}
        constants = {name: sympy.Float(value) for name, value in self.parameters.items()}
        return self.symbolic(**symbols, **constants)

    def function(self, X: Array) -> Array:
        """The noiseless target. ``X``: (rows, variables), the columns in the order of
        ``variables``; returns (rows,) in float64.

        Raises ``ValueError`` for another shape.
        """
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.variables):
            raise ValueError(
                f"{self.name} expects an array (rows, {len(self.variables)}) with the columns "
                f"{', '.join(self.variables)}; got the shape {X.shape}"
            )
        return self.numeric(**dict(zip(self.variables, X.T, strict=True)), **self.parameters)

    def sample(self, n: int, noise: float = 0.0, seed: int = 0) -> tuple[Array, Array]:
        """``n`` rows: X of shape (n, variables), y of shape (n,).

        Args:
            n: number of rows, at least 1.
            noise: standard deviation of the normal noise on y, as a share of that of the noiseless
                y of these rows; 0 for none.
            seed: the same seed gives the same X for every noise, and the same noise up to scale.

        Raises ``ValueError`` for fewer rows or a negative noise.
        """
        if n < 1:
            raise ValueError(f"expected at least one row, got n={n}")
        if not noise >= 0:
            raise ValueError(f"expected a noise of 0 or more, got {noise}")
        generator = np.random.default_rng(seed)
        low, high = np.array(list(self.variables.values())).T
        X = generator.uniform(low, high, size=(n, len(self.variables)))
        y = self.function(X)
        return X, y + noise * y.std() * generator.standard_normal(n)


def _weber_fechner(S: Array, k: float, S0: float) -> Array:
    return k * np.log(S / S0)


def _weber_fechner_expression(S: Any, k: Any, S0: Any) -> Any:
    import sympy

    return k * sympy.log(S / S0)


def _stevens(S: Array, k: float, a: float) -> Array:
    return k * S**a


def _stevens_expression(S: Any, k: Any, a: Any) -> Any:
    import sympy

    return k * sympy.Pow(S, a)


def _michaelis_menten(S: Array, V: float, K: float) -> Array:
    return V * S / (K + S)


def _michaelis_menten_expression(S: Any, V: Any, K: Any) -> Any:
    return V * S / (K + S)


def _exponential_learning(t: Array, top: float, start: float, rate: float) -> Array:
    return top - (top - start) * np.exp(-rate * t)


def _exponential_learning_expression(t: Any, top: Any, start: Any, rate: Any) -> Any:
    import sympy

    return top - (top - start) * sympy.exp(-rate * t)


def _logistic_growth(t: Array, K: float, N0: float, rate: float) -> Array:
    return K / (1 + (K / N0 - 1) * np.exp(-rate * t))


def _logistic_growth_expression(t: Any, K: Any, N0: Any, rate: Any) -> Any:
    import sympy

    return K / (1 + (K / N0 - 1) * sympy.exp(-rate * t))


def _damped_oscillation(t: Array, A: float, damping: float, omega: float, phase: float) -> Array:
    return A * np.exp(-damping * t) * np.cos(omega * t + phase)


def _damped_oscillation_expression(t: Any, A: Any, damping: Any, omega: Any, phase: Any) -> Any:
    import sympy

    return A * sympy.exp(-damping * t) * sympy.cos(omega * t + phase)


def _expected_value(p: Array, x: Array) -> Array:
    return p * x


def _expected_value_expression(p: Any, x: Any) -> Any:
    return p * x


LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law(
            "weber-fechner",
            "Weber–Fechner law",
            "Fechner (1860), Elemente der Psychophysik",
            variables={"S": (0.5, 10.0)},
            parameters={"k": 1.5, "S0": 0.4},
            target="R",
            numeric=_weber_fechner,
            symbolic=_weber_fechner_expression,
        ),
        Law(
            "stevens",
            "Stevens' power law",
            "Stevens (1957), On the psychophysical law, Psychological Review 64, 153-181",
            variables={"S": (0.1, 10.0)},
            parameters={"k": 1.2, "a": 0.67},
            target="R",
            numeric=_stevens,
            symbolic=_stevens_expression,
        ),
        Law(
            "michaelis-menten",
            "Michaelis–Menten kinetics",
            "Michaelis and Menten (1913), Die Kinetik der Invertinwirkung, "
            "Biochemische Zeitschrift 49, 333-369",
            variables={"S": (0.1, 10.0)},
            parameters={"V": 2.0, "K": 1.5},
            target="v",
            numeric=_michaelis_menten,
            symbolic=_michaelis_menten_expression,
        ),
        Law(
            "exponential-learning",
            "Exponential law of learning",
            "Heathcote, Brown and Mewhort (2000), The power law repealed, "
            "Psychonomic Bulletin & Review 7, 185-207",
            variables={"t": (0.0, 10.0)},
            parameters={"top": 2.0, "start": 0.4, "rate": 0.35},
            target="P",
            numeric=_exponential_learning,
            symbolic=_exponential_learning_expression,
        ),
        Law(
            "logistic-growth",
            "Logistic growth",
            "Verhulst (1838), Notice sur la loi que la population suit dans son accroissement",
            variables={"t": (0.0, 10.0)},
            parameters={"K": 3.0, "N0": 0.15, "rate": 0.8},
            target="N",
            numeric=_logistic_growth,
            symbolic=_logistic_growth_expression,
        ),
        Law(
            "damped-oscillation",
            "Damped oscillation",
            "Landau and Lifshitz (1976), Mechanics, section 25",
            variables={"t": (0.0, 10.0)},
            parameters={"A": 2.0, "damping": 0.2, "omega": 1.7, "phase": 0.5},
            target="x",
            numeric=_damped_oscillation,
            symbolic=_damped_oscillation_expression,
        ),
        Law(
            "expected-value",
            "Expected value of a gamble: probability times prize",
            "Huygens (1657), De ratiociniis in ludo aleae",
            variables={"p": (0.05, 1.0), "x": (0.5, 5.0)},
            parameters={},
            target="E",
            numeric=_expected_value,
            symbolic=_expected_value_expression,
        ),
    )
}
"""The laws by name."""


def find_law(name: str) -> Law:
    """The law of that name. Raises ``ValueError`` that lists the known ones."""
    if name not in LAWS:
        raise ValueError(f"unknown law {name!r}; expected one of: {', '.join(LAWS)}")
    return LAWS[name]
