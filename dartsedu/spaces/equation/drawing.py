"""An equation's graph to read: node by node as text or LaTeX, and as a Graphviz graph."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from typing import Literal

import graphviz

from dartsedu.spaces.equation.expression import Equation, Term
from dartsedu.spaces.equation.names import latex_name
from dartsedu.spaces.equation.operations import OPERATIONS
from dartsedu.spaces.equation.output import OutputType

Format = Literal["console", "latex"]

_CONSOLE = {
    "identity": "{}",
    "relu": "ReLU({})",
    "exp": "exp({})",
    "logistic": "logistic({})",
    "sin": "sin({})",
    "cos": "cos({})",
    "tanh": "tanh({})",
    "reciprocal": "1 / ({})",
    "ln": "ln({})",
    "softplus": "softplus({})",
    "softminus": "softminus({})",
}
_LATEX = {
    "identity": "{}",
    "relu": r"\operatorname{{ReLU}}\left({}\right)",
    "exp": "e^{{{}}}",
    "logistic": r"\sigma\left({}\right)",
    "sin": r"\sin\left({}\right)",
    "cos": r"\cos\left({}\right)",
    "tanh": r"\tanh\left({}\right)",
    "reciprocal": r"\frac{{1}}{{{}}}",
    "ln": r"\ln\left({}\right)",
    "softplus": r"\operatorname{{softplus}}\left({}\right)",
    "softminus": r"\operatorname{{softminus}}\left({}\right)",
}
_OUTPUT: dict[OutputType, str] = {"real": "", "sigmoid": "logistic", "softmax": "softmax"}
_LATEX_OUTPUT = {kind: name and rf"\operatorname{{{name}}}" for kind, name in _OUTPUT.items()}


def in_data_units(equation: Equation) -> Equation:
    """The same function with all units in its coefficients: the scales are 1, the centres 0."""

    def converted(term: Term) -> Term:
        if term.source >= len(equation.variables):
            return term
        size = equation.input_scale[term.source]
        if OPERATIONS[term.primitive].of == "ln":  # a ln(x / s) + b
            return term.model_copy(update={"offset": term.offset - term.scale * log(size)})
        return term.model_copy(update={"scale": term.scale / size})

    rows = zip(
        equation.factors,
        equation.constants,
        equation.target_centre,
        equation.target_scale,
        strict=True,
    )
    outputs = [(tuple(f * scale for f in fs), c * scale + centre) for fs, c, centre, scale in rows]
    return equation.model_copy(
        update={
            "nodes": tuple(tuple(map(converted, terms)) for terms in equation.nodes),
            "factors": tuple(factors for factors, _ in outputs),
            "constants": tuple(constant for _, constant in outputs),
            "input_scale": (1.0,) * len(equation.variables),
            "target_centre": (0.0,) * len(outputs),
            "target_scale": (1.0,) * len(outputs),
        }
    )


def equation_lines(
    equation: Equation,
    inputs: Sequence[str],
    outputs: Sequence[str],
    function: str = "",
    decimals: int = 2,
    form: Format = "console",
) -> list[str]:
    """A line for every node and every output, in the units of the data.

    Args:
        inputs, outputs: names of the variables and of what is predicted.
        function: name of what is applied to the outputs; default: that of the output type.
        decimals: of every number.
        form: ``console`` or ``latex`` (without dollar signs), where names are shown as they are
            spelt.
    """
    equation = in_data_units(equation)
    separator = "_" if form == "latex" else ""
    nodes = [f"k{separator}{i + 1}" for i in range(len(equation.nodes))]
    if form == "latex":
        inputs, outputs = ([latex_name(name) for name in names] for names in (inputs, outputs))
        if function:
            function = (
                rf"\operatorname{{{function}}}" if function.isalpha() else latex_name(function)
            )
    states = [*inputs, *nodes]
    lines = [
        f"{node} = {_sum([_term(t, states[t.source], decimals, form) for t in terms])}"
        for node, terms in zip(nodes, equation.nodes, strict=True)
    ]
    function = function or (_OUTPUT if form == "console" else _LATEX_OUTPUT)[equation.kind]
    for name, factors, constant in zip(outputs, equation.factors, equation.constants, strict=True):
        parts = [_product(f, k, decimals, form) for f, k in zip(factors, nodes, strict=True)]
        combined = _sum([*parts, f"{constant:.{decimals}f}"])
        lines.append(f"{name} = {_applied(function, combined, form)}")
    return lines


def equation_dot(
    equation: Equation, inputs: Sequence[str], outputs: Sequence[str], decimals: int = 2
) -> graphviz.Digraph:
    """The graph from variables over nodes to outputs, in the units of the data.

    An edge is labelled with its function of x, which is the state it comes from; edges *none* are
    left out.
    """
    equation = in_data_units(equation)
    graph = graphviz.Digraph("equation", graph_attr={"rankdir": "LR", "fontname": "Helvetica"})
    graph.attr("node", shape="box", style="rounded,filled", fontname="Helvetica")
    graph.attr("edge", fontname="Helvetica")
    count = len(equation.variables)
    for place, name in enumerate(inputs):
        graph.node(f"s{place}", graphviz.escape(name), fillcolor="#F1EDB9")
    for place, terms in enumerate(equation.nodes):
        graph.node(f"s{count + place}", f"k{place + 1}", fillcolor="#BBCCF9")
        for term in terms:
            graph.edge(
                f"s{term.source}", f"s{count + place}", label=_term(term, "x", decimals, "console")
            )
    function = _OUTPUT[equation.kind]
    for row, name in enumerate(outputs):
        combined = _sum(["x", f"{equation.constants[row]:.{decimals}f}"])
        label = f"{name} = {_applied(function, combined, 'console')}"
        graph.node(f"y{row}", graphviz.escape(label), fillcolor="#CBE7C7")
        for place, factor in enumerate(equation.factors[row]):
            graph.edge(
                f"s{count + place}", f"y{row}", label=_product(factor, "x", decimals, "console")
            )
    return graph


def _term(term: Term, x: str, decimals: int, form: Format) -> str:
    """f(a · x + b) in words; a number that the primitive fixes is shown where units changed it."""
    operation = OPERATIONS[term.primitive]
    if operation.of == "ln":  # exp(a ln x + b) = e^b x^a
        power = (
            f"{x}^{{{term.scale:.{decimals}f}}}"
            if form == "latex"
            else (f"{x}^{term.scale:.{decimals}f}")
        )
        return power if term.offset == 0 else _product(exp(term.offset), power, decimals, form)
    fixed = operation.scale is not None and abs(term.scale) == 1
    inside = x if fixed else _product(term.scale, x, decimals, form)
    if fixed and term.scale < 0:
        inside = f"-{x}"
    if operation.offset is None:
        inside = _sum([inside, f"{term.offset:.{decimals}f}"])
    return (_LATEX if form == "latex" else _CONSOLE)[operation.function].format(inside)


def _product(factor: float, x: str, decimals: int, form: Format) -> str:
    return f"{factor:.{decimals}f} {'' if form == 'latex' else '* '}{x}"


def _applied(function: str, inside: str, form: Format) -> str:
    if not function:
        return inside
    if form == "latex":
        return rf"{function}\left({inside}\right)"
    return f"{function}({inside})"


def _sum(terms: Sequence[str]) -> str:
    """The terms with their signs between them; 0 if there is none."""
    return " + ".join(terms).replace("+ -", "- ") if terms else "0"
