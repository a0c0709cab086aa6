"""The candidate operations of the equation space: f(a·x + b), guarded where f's domain ends.

A primitive is a function f and two coefficients, each either found from data or fixed. Inside its
domain every f here is exactly the function it is called after. Where the domain ends, and where a
value would overflow, it goes on finite and continuous, with a slope that leads back, so that no
search dies of a NaN. (SymPy writes the function itself; see ``expression``.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]

LARGEST_EXPONENT = 10.0
"""exp(x) is exact up to here and goes on as its tangent."""
SMALLEST = 1e-3
"""ln(x) is exact from here on and goes on as a line of slope 1 below; 1/x is exact where |x| is at
least this, and a line through 0 between."""


def guarded_exp(x: Tensor) -> Tensor:
    """exp(x) for x ≤ 10; its tangent at 10 above."""
    excess = (x - LARGEST_EXPONENT).clamp(min=0)
    return x.clamp(max=LARGEST_EXPONENT).exp() * (1 + excess)


def guarded_ln(x: Tensor) -> Tensor:
    """ln(x) for x ≥ 0.001; below, a line of slope 1 that meets it there."""
    return x.clamp(min=SMALLEST).log() + (x - SMALLEST).clamp(max=0)


def guarded_reciprocal(x: Tensor) -> Tensor:
    """1/x for |x| ≥ 0.001; x / 0.001² between, so that it is 0 at 0 and nowhere beyond ±1000."""
    inside = x.abs() < SMALLEST
    return torch.where(inside, x / SMALLEST**2, 1 / torch.where(inside, SMALLEST, x))


FUNCTIONS: dict[str, Function] = {
    "identity": lambda x: x,
    "relu": torch.relu,
    "exp": guarded_exp,
    "logistic": torch.sigmoid,
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "reciprocal": guarded_reciprocal,
    "ln": guarded_ln,
    "softplus": torch.nn.functional.softplus,
    "softminus": lambda x: x - torch.nn.functional.softplus(x),
}
"""Every f by name, elementwise."""


class Primitive(NamedTuple):
    """One candidate: ``function(scale · x + offset)``, ``None`` for a coefficient to be found.

    ``of`` is a function that x passes before: a power is exp(scale · ln(x)).
    """

    function: str
    scale: float | None = 1.0
    offset: float | None = 0.0
    of: str = "identity"

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the coefficients to be found; how many is its degrees of freedom."""
        return tuple(name for name in ("scale", "offset") if getattr(self, name) is None)

    def __call__(self, x: Tensor, scale: Tensor | float, offset: Tensor | float) -> Tensor:
        """The value at ``x`` for coefficients that can be broadcast to it."""
        return FUNCTIONS[self.function](scale * FUNCTIONS[self.of](x) + offset)


_CURVES = tuple(name for name in FUNCTIONS if name != "identity")

OPERATIONS: dict[str, Primitive] = {
    "add": Primitive("identity"),
    "subtract": Primitive("identity", -1.0),
    "mult": Primitive("identity", None),
    "linear": Primitive("identity", None, None),
    **{name: Primitive(name) for name in _CURVES},
    **{f"linear_{name}": Primitive(name, None, None) for name in _CURVES},
    "power": Primitive("exp", None, 0.0, of="ln"),
}
"""Every primitive but *none*, by name: ``add`` x, ``subtract`` −x, ``mult`` a·x, ``linear``
a·x + b, a function f(x), its ``linear_`` form f(a·x + b), and ``power`` xᵃ."""

PRIMITIVES: tuple[str, ...] = (
    "none",
    "linear",
    "linear_exp",
    "linear_logistic",
    "linear_reciprocal",
    "ln",
    "power",
)
"""The package's default."""
AUTORA_PRIMITIVES: tuple[str, ...] = (
    "none",
    "add",
    "subtract",
    "linear",
    "linear_logistic",
    "mult",
    "linear_relu",
)
"""The default of ``autora-theorist-darts``, in its order."""


def degrees_of_freedom(primitive: str) -> int:
    """Coefficients of a primitive that are found from data: 0, 1 or 2."""
    return 0 if primitive == "none" else len(OPERATIONS[primitive].coefficients)
