"""Equations beside autora-theorist-darts: restarts per second, and laws found in the same time.

    python benchmarks/equation_restarts.py --peer-python PATH

The peer (``pip install autora-theorist-darts==1.1.0``) runs in a process of its own under
``--peer-python``, by default this interpreter, one fit at a time on one thread.

- *speed*: a round is one fit of the peer and one search of ours with ``--ours`` restarts, on the
  same data with the same primitives, in alternating order; seconds of CPU and of wall time for a
  fit or restart, refit included, and their ratio in each round: medians with the smallest and the
  largest. Ours once with the peer's schedule (10 steps of α, 100 of w) and once with the preset's.
- *recovery*: for each law and seed as many fits as asked for. The best on held-out rows is judged
  by ``dartsedu/spaces/equation/recovery.py``. Beside it, on the same rows: our search with its own
  primitives and with the peer's, random graphs of the same space refitted and written in the same
  way, and a polynomial. Ours takes less CPU time than the peer's fits; both are in the report.

Settings of the peer: *default*, those of its constructor; *example*, those of the example in its
documentation (500 epochs of 100 weight steps).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy
import torch
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from dartsedu.data.laws import LAWS, Law, find_law
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.spaces.build import build_supernet
from dartsedu.spaces.equation import (
    EquationSupernet,
    TableTask,
    conclude,
    random_alphas,
    table_task,
)
from dartsedu.spaces.equation.discovery import equations
from dartsedu.spaces.equation.recovery import recovered

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


def speed(peer: Peer, law: Law, rows: int, rounds: int, settings: dict, restarts: int) -> dict:
    """Seconds for a fit. The first of either warms up and does not count."""
    X, y = law.sample(rows, noise=0.05, seed=0)
    primitives = settings["primitives"]
    peer.fit(X, y, X[:1], 0, settings)
    timed_restarts(X, y, law, primitives, 2, 0, ["search.epochs=2"])
    fits: list[Fit] = []
    ours: dict[str, list[tuple[float, float]]] = {name: [] for name in SCHEDULES}
    for seed in range(rounds):
        jobs: list[Callable[[], None]] = [
            lambda seed=seed: fits.append(peer.fit(X, y, X[:1], seed, settings)),
            *(
                lambda seed=seed, name=name, changes=changes: ours[name].append(
                    timed_restarts(X, y, law, primitives, restarts, seed, changes)
                )
                for name, changes in SCHEDULES.items()
            ),
        ]
        for job in jobs if seed % 2 else reversed(jobs):
            job()
    return {
        "law": law.name,
        "rows": rows,
        "rounds": rounds,
        "failed": sum(bool(f.error) for f in fits),
        "cpu": spread([f.cpu for f in fits]),
        "wall": spread([f.wall for f in fits]),
        "ours": {
            name: {
                "restarts": restarts,
                "cpu": spread([cpu for cpu, _ in times]),
                "wall": spread([wall for _, wall in times]),
                "cpu_ratio": spread([f.cpu / t[0] for f, t in zip(fits, times, strict=True)]),
                "wall_ratio": spread([f.wall / t[1] for f, t in zip(fits, times, strict=True)]),
            }
            for name, times in ours.items()
        },
    }


SCHEDULES = {
    "the peer's schedule": ["search.epochs=10", "search.weights_steps=10"],
    "the preset's schedule": [],
}


def searched(
    X: np.ndarray,
    y: np.ndarray,
    law: Law,
    primitives: list[str] | None,
    restarts: int,
    seed: int,
    *changes: str,
) -> tuple[EquationSupernet, TableTask]:
    """A supernet and its task after a search; without a search for ``search.epochs=0``."""
    chosen = [] if primitives is None else [f"supernet.primitives={json.dumps(primitives)}"]
    settings = load_preset("equation", [f"supernet.restarts={restarts}", *chosen, *changes])
    task = table_task(X, y, variables=tuple(law.variables), shares=(0.6, 0.4, 0.0))
    supernet = build_supernet(settings, task, seed)
    for _ in Search(supernet, task, settings.search, seed=seed):
        pass
    return supernet, task


def timed_restarts(
    X: np.ndarray,
    y: np.ndarray,
    law: Law,
    primitives: list[str],
    restarts: int,
    seed: int,
    changes: list[str],
) -> tuple[float, float]:
    """CPU and wall seconds a restart, from the data to refitted equations."""
    cpu, wall = time.process_time(), time.perf_counter()
    supernet, task = searched(X, y, law, primitives, restarts, seed, *changes)
    equations(supernet, supernet.genotypes(), task)
    return (time.process_time() - cpu) / restarts, (time.perf_counter() - wall) / restarts


def ours_best(
    law: Law,
    rows: int,
    noise: float,
    seed: int,
    restarts: int,
    primitives: list[str] | None,
    random: bool,
) -> dict:
    """Our preferred formula, of a search or of random graphs, judged like the peer's best."""
    X, y = law.sample(rows, noise=noise, seed=seed)
    began = time.process_time()
    if random:
        supernet, task = searched(X, y, law, primitives, restarts, seed, "search.epochs=1")
        random_alphas(supernet, seed)
    else:
        supernet, task = searched(X, y, law, primitives, restarts, seed)
    found = conclude(supernet, task).formula
    cpu = time.process_time() - began
    verdict = recovered(found.expression, law, noise)
    return {
        "cpu": cpu,
        "equation": str(found),
        "equivalent": verdict.equivalent,
        "at_floor": verdict.at_floor,
        "error": verdict.error,
    }


def polynomial_error(law: Law, rows: int, noise: float, seed: int) -> float:
    """Error of a cubic on new rows without noise, in deviations of the target."""
    X, y = law.sample(rows, noise=noise, seed=seed)
    new, truth = law.sample(1000, seed=1_000_003)
    model = make_pipeline(PolynomialFeatures(3), LinearRegression()).fit(X, y)
    return float(np.sqrt(np.mean((model.predict(new) - truth) ** 2)) / truth.std())


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
            same = (law, options.rows, options.noise, seed)
            outcome = {"law": law.name, "polynomial": polynomial_error(*same)}
            for name, primitives in (("own", None), ("peer's", settings["primitives"])):
                for how in ("search", "random"):
                    outcome[f"{how}, {name} primitives"] = ours_best(
                        *same, options.ours, primitives, how == "random"
                    )
            if options.restarts:
                outcome["peer"] = peer_best(peer, *same, options.restarts, settings)
            results.append(outcome)
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
    parser.add_argument("--restarts", type=int, default=20, help="fits of the peer; 0: none")
    parser.add_argument("--ours", type=int, default=128, help="restarts of ours, side by side")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    laws = {name: find_law(name) for name in options.law or LAWS}
    settings = {
        **PEER_SETTINGS[options.peer_settings],
        "primitives": PRIMITIVES[options.primitives],
        "num_graph_nodes": options.nodes,
    }
    torch.set_num_threads(1)
    peer = Peer(options.peer_python)
    report: dict = {"peer": peer.version, "settings": settings}
    if options.rounds:
        law = next(iter(laws.values()))
        report["speed"] = speed(peer, law, options.rows, options.rounds, settings, options.ours)
        print(json.dumps(report["speed"]), flush=True)
    report["recovery"] = recovery(peer, laws, options, settings)
    peer.close()
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
