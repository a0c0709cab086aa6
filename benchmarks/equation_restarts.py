"""Equations beside autora-theorist-darts: restarts per second, and laws found in the same time.

    python benchmarks/equation_restarts.py --peer-python PATH

The peer (``pip install autora-theorist-darts==1.1.0``) runs in a process of its own under
``--peer-python``, by default this interpreter, one fit at a time on one thread.

- *speed*: fits on the same data with the same primitives, one a round; seconds of CPU and of wall
  time for a fit, medians with the smallest and the largest.
- *recovery*: for each law and seed as many fits as asked for. The best on held-out rows is judged
  by ``dartsedu/equation/recovery.py``.

Settings of the peer: *default*, those of its constructor; *example*, those of the example in its
documentation (500 epochs of 100 weight steps).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy

from dartsedu.equation.recovery import recovered
from dartsedu.laws import LAWS, Law, find_law

# Names that both packages have, with the same formula but for the linear forms of ln and
# reciprocal, which have no offset in the peer. *wide* can express the laws but goes without plain
# exp: with it each fit of the peer on inputs up to 10 ends in a NaN.
PRIMITIVES = {
    "default": ["none", "add", "subtract", "linear", "linear_logistic", "mult", "linear_relu"],
    "wide": [
        *("none", "add", "subtract", "mult", "linear", "linear_exp", "ln", "linear_ln"),
        *("reciprocal", "linear_reciprocal", "linear_logistic", "linear_sin", "linear_tanh"),
    ],
}
PEER_SETTINGS: dict[str, dict] = {
    "default": {},
    "example": {"max_epochs": 500, "param_updates_per_epoch": 100},
}


def _logistic(u: sympy.Expr) -> sympy.Expr:
    return 1 / (1 + sympy.exp(-u))


def _guarded_ln(u: sympy.Expr) -> sympy.Expr:
    return sympy.Piecewise((sympy.log(u), u > 0), (0, True))


FUNCTIONS: dict[str, Callable[[sympy.Expr], sympy.Expr]] = {
    "mult": lambda u: u,
    "linear": lambda u: u,
    "relu": lambda u: sympy.Max(0, u),
    "logistic": _logistic,
    "exp": sympy.exp,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tanh": sympy.tanh,
    "ln": _guarded_ln,
    "reciprocal": lambda u: 1 / u,
}


def primitive_expression(name: str, numbers: list[float], x: sympy.Expr) -> sympy.Expr:
    """What the peer's primitive does: its linear part, if it has one, then its function."""
    if name in ("none", "add", "subtract"):
        return {"none": 0, "add": 1, "subtract": -1}[name] * x
    inner = sum(number * u for number, u in zip(numbers, (x, 1), strict=False)) if numbers else x
    return FUNCTIONS[name.removeprefix("linear_")](inner)


@dataclass(frozen=True)
class Fit:
    """One fit of the peer. ``predictions`` and the graph are empty where ``error`` says why."""

    wall: float
    cpu: float
    predictions: list[float]
    edges: list[tuple[int, int, str, list[float]]]
    coefficients: list[float]
    bias: float
    error: str

    def expression(self, law: Law) -> sympy.Expr:
        """The fitted graph as an expression of the law's variables."""
        states = [
            sympy.Symbol(name, positive=True) if low > 0 else sympy.Symbol(name, real=True)
            for name, (low, _) in law.variables.items()
        ]
        inputs = len(states)
        for node in range(len(self.coefficients)):
            states.append(
                sum(
                    (
                        primitive_expression(name, numbers, states[source])
                        for into, source, name, numbers in self.edges
                        if into == node
                    ),
                    sympy.Integer(0),
                )
            )
        nodes = states[inputs:]
        return self.bias + sum(c * k for c, k in zip(self.coefficients, nodes, strict=True))


class Peer:
    """``DARTSRegressor`` of autora-theorist-darts in a process of its own.

    Args:
        python: an interpreter that has the package.

    Raises ``RuntimeError`` if it has not.
    """

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name("equation_peer.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        first = self._process.stdout.readline()
        if not first:
            raise RuntimeError(
                f"{python} cannot run autora-theorist-darts; install it there with "
                "pip install autora-theorist-darts==1.1.0, or name another by --peer-python"
            )
        self.version: str = json.loads(first)["version"]

    def fit(self, X: np.ndarray, y: np.ndarray, at: np.ndarray, seed: int, settings: dict) -> Fit:
        """One fit on X (rows, d), y (rows,), with predictions at ``at`` (rows, d)."""
        job = {"X": X.tolist(), "y": y.tolist(), "at": at.tolist()}
        self._process.stdin.write(json.dumps(job | {"seed": seed, "settings": settings}) + "\n")
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        empty = {"predictions": [], "edges": [], "coefficients": [], "bias": 0.0, "error": ""}
        return Fit(**(empty | reply))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def speed(peer: Peer, law: Law, rows: int, rounds: int, settings: dict) -> dict:
    """Seconds for a fit. The first fit of a process warms it up and does not count."""
    X, y = law.sample(rows, noise=0.05, seed=0)
    peer.fit(X, y, X[:1], 0, settings)
    fits = [peer.fit(X, y, X[:1], seed, settings) for seed in range(rounds)]
    # Our restarts of a round go here, in random order with the peer's fit: the ratio is paired.
    return {
        "law": law.name,
        "rows": rows,
        "rounds": rounds,
        "failed": sum(bool(f.error) for f in fits),
        "cpu": spread([f.cpu for f in fits]),
        "wall": spread([f.wall for f in fits]),
    }


def peer_best(
    peer: Peer, law: Law, rows: int, noise: float, seed: int, restarts: int, settings: dict
) -> dict:
    """The best of ``restarts`` fits by the error on a quarter of the rows, which none has seen."""
    X, y = law.sample(rows, noise=noise, seed=seed)
    held = rows // 4
    fits = [
        peer.fit(X[held:], y[held:], X[:held], 1000 * seed + restart, settings)
        for restart in range(restarts)
    ]
    errors = [
        np.sqrt(np.mean((np.array(f.predictions) - y[:held]) ** 2)) if f.predictions else np.inf
        for f in fits
    ]
    result = {
        "seed": seed,
        "failed": sum(bool(f.error) for f in fits),
        "cpu": sum(f.cpu for f in fits),
        "cpu_per_fit": statistics.median(f.cpu for f in fits),
    }
    best = int(np.nanargmin(errors))
    if not np.isfinite(errors[best]):
        return result | {"equation": None, "equivalent": False, "at_floor": False, "error": None}
    found = fits[best].expression(law)
    names = [sympy.Symbol(name) for name in law.variables]
    plain = found.subs({s: sympy.Symbol(s.name) for s in found.free_symbols})
    said = sympy.lambdify(names, plain)(*X[:held].T)
    drift = np.abs(said - np.array(fits[best].predictions)).max()
    if drift > 1e-3 * y.std():
        raise AssertionError(f"the expression {found} misses the peer's predictions by {drift}")
    verdict = recovered(found, law, noise)
    return result | {
        "equation": str(found.xreplace({f: sympy.Float(f, 3) for f in found.atoms(sympy.Float)})),
        "equivalent": verdict.equivalent,
        "at_floor": verdict.at_floor,
        "error": verdict.error,
    }


def recovery(
    peer: Peer, laws: Mapping[str, Law], options: argparse.Namespace, settings: dict
) -> list[dict]:
    results = []
    for seed in range(options.seeds):
        for law in laws.values():
            # Ours goes here, on the same rows, for as many seconds of CPU time as the peer took.
            outcome = peer_best(
                peer, law, options.rows, options.noise, seed, options.restarts, settings
            )
            results.append({"law": law.name} | outcome)
            print(json.dumps(results[-1]), flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peer-settings", choices=PEER_SETTINGS, default="default")
    parser.add_argument("--primitives", choices=PRIMITIVES, default="default")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--law", choices=LAWS, action="append", help="again for more; all without")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    laws = {name: find_law(name) for name in options.law or LAWS}
    settings = {
        **PEER_SETTINGS[options.peer_settings],
        "primitives": PRIMITIVES[options.primitives],
        "num_graph_nodes": options.nodes,
    }
    peer = Peer(options.peer_python)
    report: dict = {"peer": peer.version, "settings": settings}
    if options.rounds:
        law = next(iter(laws.values()))
        report["speed"] = speed(peer, law, options.rows, options.rounds, settings)
        print(json.dumps(report["speed"]), flush=True)
    report["recovery"] = recovery(peer, laws, options, settings)
    peer.close()
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
