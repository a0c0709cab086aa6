"""One search step, three ways, paired in one process: python benchmarks/search_step.py --help

- *published*: one module for each edge and primitive, and an architecture step that computes every
  weight gradient and throws it away (first order) or copies the network (second order), as the
  authors' code does. Written here after theirs, independent of this package's architects.
- *plain*: the same modules, with this package's architects.
- *fast*: as plain, in the fast form of ``dartsedu/spaces/cnn/fast.py``.
- *search*, instead: a whole search with its data, checks, recording and checkpoints, the
  published step against the package as it comes.

A round runs each once, in a new random order. The figure is the median over rounds of the paired
ratio to *published*, with the smallest and the largest, for CPU time and for wall time. Memory is
the growth of a fresh process' peak over two steps; libraries and code that are loaded at the first
use are there before, from two steps of a tiny network. ``--save`` adds a row to ``results/``.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from dartsedu.architect import Architect, Exact, FiniteDifference, FirstOrder, held
from dartsedu.base.memory import keep_freed_memory
from dartsedu.data.splits import Batch
from dartsedu.data.tasks import load_task
from dartsedu.presets import load_preset
from dartsedu.relaxation import Outcome
from dartsedu.search import Search, clipped
from dartsedu.spaces.build import build_supernet
from dartsedu.spaces.cnn import CNNSupernet, cnn_space
from dartsedu.stream.recording import recorded

Step = Callable[[], None]
RESULTS = Path(__file__).parent / "results" / "search_step.json"
SHAPES = {
    "digits": {"image": (1, 8, 8), "channels": 8, "cells": 4, "nodes": 4, "batch": 64},
    "classroom": {"image": (1, 8, 8), "channels": 4, "cells": 3, "nodes": 2, "batch": 32},
    "cifar": {"image": (3, 32, 32), "channels": 16, "cells": 8, "nodes": 4, "batch": 16},
}
TINY = {"channels": 2, "cells": 3, "nodes": 1, "batch": 4}
ARCHITECTS: dict[str, Architect] = {
    "first-order": FirstOrder(),
    "finite-difference": FiniteDifference(),
    "exact": Exact(),
}


def make_published(shape: dict, architect: str) -> Step:
    """The authors' step on the plain modules: written after their architect.py, for this only."""
    supernet, of_alpha, batches = make(shape, fast=False)
    weights = list(supernet.weights().values())
    alphas = list(supernet.alphas.values())
    of_w = torch.optim.SGD(weights, lr=0.025, momentum=0.9, weight_decay=3e-4)
    validation, training = batches

    def unrolled() -> None:
        slopes = torch.autograd.grad(supernet.loss(training).loss, weights)
        other = copy.deepcopy(supernet)
        with torch.no_grad():
            for w, slope in zip(other.weights().values(), slopes, strict=True):
                w -= 0.025 * slope
        other.zero_grad()
        other.loss(validation).loss.backward()
        v = [w.grad for w in other.weights().values()]
        epsilon = 0.01 / torch.cat([part.reshape(-1) for part in v]).norm()
        found = []
        for move in (epsilon, -2 * epsilon, epsilon):
            with torch.no_grad():
                for w, part in zip(weights, v, strict=True):
                    w += move * part
            if len(found) < 2:
                found.append(torch.autograd.grad(supernet.loss(training).loss, alphas))
        for alpha, direct, plus, minus in zip(
            alphas, other.alphas.values(), found[0], found[1], strict=True
        ):
            alpha.grad = direct.grad - 0.025 * (plus - minus) / (2 * epsilon)

    def step() -> None:
        if architect == "first-order":
            of_alpha.zero_grad()
            supernet.loss(validation).loss.backward()
        else:
            unrolled()
        of_alpha.step()
        of_w.zero_grad()
        supernet.loss(training).loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 5.0)
        of_w.step()

    return step


def make_step(shape: dict, architect: str, fast: bool) -> Step:
    """This package's step, as ``Search`` does it but for its checks and records."""
    keep_freed_memory()
    supernet, of_alpha, (validation, training) = make(shape, fast)
    w = supernet.vector()
    of_w = torch.optim.SGD([w], lr=0.025, momentum=0.9, weight_decay=3e-4, fused=True)

    def step() -> None:
        found = ARCHITECTS[architect].gradient(supernet, training, validation, of_w).gradient
        for cell, alpha in supernet.alphas.items():
            alpha.grad = found[cell]
        of_alpha.step()
        with held(supernet.alphas.values()), supernet.at(w):
            loss = supernet.loss(training).loss
        w.grad, _ = clipped(*torch.autograd.grad(loss, w), clip=5.0)
        of_w.step()
        of_w.zero_grad()

    return step


def make(shape: dict, fast: bool) -> tuple[CNNSupernet, torch.optim.Optimizer, list[Batch]]:
    torch.manual_seed(0)
    supernet = CNNSupernet(
        cnn_space(shape["nodes"]),
        image_channels=shape["image"][0],
        channels=shape["channels"],
        cells=shape["cells"],
        fast=fast,
    ).train()
    of_alpha = torch.optim.Adam(supernet.alphas.values(), lr=3e-4, betas=(0.5, 0.999))
    batches = [
        Batch(torch.randn(shape["batch"], *shape["image"]), torch.arange(shape["batch"]) % 10)
        for _ in range(2)
    ]
    return supernet, of_alpha, batches


class PublishedSearch(Search):
    """A search whose step is the published one, of first order, on the plain modules."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        w = self.settings.weights
        self.weights_optimizer = torch.optim.SGD(
            self.supernet.weights().values(), w.learning_rate, w.momentum, 0.0, w.weight_decay
        )
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.weights_optimizer, self.settings.epochs, w.learning_rate_end
        )

    def _move_alphas(self, weights_batch, architecture_batch, epoch):
        self.architecture_optimizer.zero_grad()
        outcome = self.supernet.loss(architecture_batch)
        outcome.loss.backward()
        self.architecture_optimizer.step()
        return Outcome(outcome.loss.detach(), outcome.accuracy)

    def _move_weights(self, batch, epoch):
        self.weights_optimizer.zero_grad()
        outcome = self.supernet.loss(batch)
        outcome.loss.backward()
        torch.nn.utils.clip_grad_norm_(self.supernet.weights().values(), 5.0)
        self.weights_optimizer.step()
        return Outcome(outcome.loss.detach(), outcome.accuracy)


def make_search(published: bool) -> Step:
    """A function that does the whole classroom search, recorded on disk."""
    fast = "false" if published else "true"
    settings = load_preset("classroom", [f"supernet.fast={fast}"])
    task = load_task("digits", noise=settings.task.noise)
    kind = PublishedSearch if published else Search

    def run() -> None:
        search = kind(build_supernet(settings, task, 0), task, settings.search)
        with tempfile.TemporaryDirectory() as folder:
            stream = recorded(
                search,
                Path(folder) / "r.jsonl",
                Path(folder) / "c.pt",
                space=search.space,
                checkpoint_every=settings.search.checkpoint_every,
            )
            for _ in stream:
                pass

    return run


def gemm_peak() -> float:
    """The best rate of a single-precision product seen, in operations a second of CPU time."""
    a, b = torch.randn(2, 1024, 1024)
    times = []
    for _ in range(7):
        began = time.process_time()
        a @ b
        times.append(time.process_time() - began)
    return 2 * 1024**3 / min(times)


def operations(shape: dict) -> float:
    """Of a first-order step that wastes none: 2 forward, 2 data gradients, 1 weight gradient."""
    supernet, _, (batch, _) = make(shape, fast=False)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        supernet.loss(batch)
    return 5 * counter.get_total_flops()


def memory(form: str, shape: str, architect: str) -> float:
    """Megabytes by which two steps raise the peak of a process of their own."""
    command = [sys.executable, __file__, "--shape", shape, "--architect", architect]
    done = subprocess.run([*command, "--only", form], check=True, capture_output=True, text=True)
    return float(done.stdout)


def peak() -> float:
    """Megabytes of memory that this process has had at most (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def processor() -> str:
    """What the machine calls its processor, or at least its kind."""
    known = Path("/proc/cpuinfo")  # On Linux, where ``platform`` does not say it.
    found = re.search(r"model name\s*: (.+)", known.read_text()) if known.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def time_rounds(steps: dict[str, Step], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """(CPU seconds, wall seconds) of each, once a round."""
    for step in steps.values():
        step()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name in random.sample(list(steps), len(steps)):
            cpu, wall = time.process_time(), time.perf_counter()
            steps[name]()
            taken[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=[*SHAPES, "search"], default="digits")
    parser.add_argument("--architect", choices=ARCHITECTS, default="first-order")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--memory", action="store_true", help="measure peak memory too")
    parser.add_argument("--save", action="store_true", help=f"add to results/{RESULTS.name}")
    parser.add_argument("--profile", action="store_true", help="where the fast step's time goes")
    parser.add_argument("--only", choices=["published", "plain", "fast"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    makers: dict[str, Callable[[], Step]]
    if options.shape == "search":
        makers = {"published": lambda: make_search(True), "fast": lambda: make_search(False)}
    else:
        makers = by_form(SHAPES[options.shape], options.architect)
    if options.only:
        shape = SHAPES[options.shape]
        for each in (shape | TINY, shape):
            step = by_form(each, options.architect)[options.only]()
            before = peak()
            step()
            step()
        print(peak() - before)
        return

    steps = {name: maker() for name, maker in makers.items()}
    taken = time_rounds(steps, options.rounds)
    row: dict = {
        "what": options.shape,
        "architect": options.architect,
        "threads": options.threads,
        "rounds": options.rounds,
        "torch": torch.__version__.split("+")[0],
        "processor": processor(),
    }
    row |= summary(taken)
    if options.shape != "search" and options.architect == "first-order":
        least = operations(SHAPES[options.shape]) / gemm_peak()
        row["share of the GEMM peak"] = round(least / row["fast, CPU"]["seconds"], 3)
    if options.memory:
        grown = {name: memory(name, options.shape, options.architect) for name in steps}
        row["peak memory, MB"] = {name: round(value) for name, value in grown.items()}
    print(json.dumps(row, indent=1, ensure_ascii=False))
    if options.save:
        save(row, RESULTS)
    if options.profile:
        with torch.profiler.profile() as profile:
            steps["fast"]()
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=15))


def by_form(shape: dict, architect: str) -> dict[str, Callable[[], Step]]:
    """What makes each of the three steps."""
    return {
        "published": lambda: make_published(shape, architect),
        "plain": lambda: make_step(shape, architect, fast=False),
        "fast": lambda: make_step(shape, architect, fast=True),
    }


def summary(taken: dict[str, list[tuple[float, float]]]) -> dict[str, dict]:
    """Median seconds, and median, least and largest paired ratio to *published*, by clock."""
    found = {}
    for name, times in taken.items():
        for clock, unit in enumerate(("CPU", "wall")):
            ratios = [p[clock] / t[clock] for p, t in zip(taken["published"], times, strict=True)]
            found[f"{name}, {unit}"] = {
                "seconds": round(statistics.median(t[clock] for t in times), 4),
                "ratio": [
                    round(r, 2) for r in (statistics.median(ratios), min(ratios), max(ratios))
                ],
            }
    return found


def save(row: dict, results: Path) -> None:
    """Put a row among the results, in the place of one of the same kind."""
    key = ("what", "architect", "threads")
    rows = json.loads(results.read_text(encoding="utf-8"))["rows"] if results.exists() else []
    rows = [r for r in rows if any(r[k] != row[k] for k in key)] + [row]
    rows.sort(key=lambda r: [str(r[k]) for k in key])
    machine = "two x86-64 cores with AVX-512, no GPU, shared with other jobs"
    found = {"machine": machine, "rows": rows}
    results.parent.mkdir(exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    results.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
