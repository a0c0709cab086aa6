"""One search step at the paper's shape on a GPU: python benchmarks/cuda_step.py

C = 16, 8 cells of 4 nodes, random data of CIFAR-10's shape, batch 64 and 256, first order and exact
second order, in float32 (TF32 products) and mixed bfloat16, three ways in one run: *plain* eager,
*fast* eager, and the fast form's whole step as one CUDA *graph*. CUDA events; medians with the
smallest and the largest. Projects the paper's search: 50 epochs over 25,000 images. Writes
``results/cuda_step.json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from dartsedu.architect import Architect, Exact, FirstOrder, held
from dartsedu.data.splits import Batch
from dartsedu.search import clipped
from dartsedu.spaces.cnn import CNNSupernet, cnn_space

RESULTS = Path(__file__).parent / "results" / "cuda_step.json"
ARCHITECTS: dict[str, Architect] = {"first-order": FirstOrder(), "exact": Exact()}
Step = Callable[[], None]


def make_step(fast: bool, size: int, architect: Architect, mixed: bool) -> Step:
    torch.manual_seed(0)
    supernet = CNNSupernet(cnn_space(), fast=fast).cuda().train()
    w = supernet.vector()
    of_w = torch.optim.SGD([w], lr=0.025, momentum=0.9, weight_decay=3e-4, fused=True)
    alphas = list(supernet.alphas.values())
    of_alpha = torch.optim.Adam(
        alphas, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3, capturable=True
    )
    validation, training = (
        Batch(
            torch.randn(size, 3, 32, 32, device="cuda"),
            torch.randint(10, (size,), device="cuda"),
        )
        for _ in range(2)
    )

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=mixed, cache_enabled=False):
            found = architect.gradient(supernet, training, validation, of_w).gradient
            for cell, alpha in supernet.alphas.items():
                alpha.grad = found[cell]
        of_alpha.step()
        mixing = torch.autocast("cuda", torch.bfloat16, enabled=mixed, cache_enabled=False)
        with held(alphas), mixing, supernet.at(w):
            loss = supernet.loss(training).loss
        w.grad, _ = clipped(*torch.autograd.grad(loss, w), clip=5.0)
        of_w.step()

    return step


def captured(step: Step) -> Step:
    """The step as one CUDA graph, after a warm-up on a stream of its own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def seconds(step: Step, count: int) -> list[float]:
    for _ in range(3):
        step()
    times = []
    for _ in range(count):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        step()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1000)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("This needs a CUDA GPU; nothing was measured.")
    torch.set_float32_matmul_precision("high")
    rows = []
    for size, architect, mixed in itertools.product((64, 256), ARCHITECTS, (False, True)):
        row: dict = {
            "batch": size,
            "architect": architect,
            "precision": "bfloat16, mixed" if mixed else "float32 (TF32)",
        }
        plain = None
        for form in ("plain", "fast", "graph"):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            step = make_step(form != "plain", size, ARCHITECTS[architect], mixed)
            times = seconds(captured(step) if form == "graph" else step, options.steps)
            middle = statistics.median(times)
            plain = plain or middle
            row[form] = {
                "seconds": [middle, min(times), max(times)],
                "ratio to plain": plain / middle,
                "50 epochs, minutes": 50 * (25_000 // size) * middle / 60,
                "peak memory, GB": torch.cuda.max_memory_allocated() / 1e9,
            }
            del step
        rows.append(row)
        print(json.dumps(row), flush=True)
    found = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__.split("+")[0],
        "rows": rows,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
