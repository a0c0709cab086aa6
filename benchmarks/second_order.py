"""Which second order is right? python benchmarks/second_order.py [--quick] [--draw]

Compares the published finite difference (DARTS eq. 8) with the exact α-gradient of the same
unrolled step (eq. 7) along searches of the classroom's network on digits:

- at initialisation and after 50, 200 and 1000 steps, for several seeds and batches;
- over ε (the published scale is 0.01), in float64, where rounding plays no part, and in float32;
- with ReLU and max-pooling, with dropout added, and in a smooth network (SiLU, average pools);
- relative error and cosine, of the whole α-gradient and of its second-order term alone.

For scale it records how far the first-order gradient is from the exact one, and how far the exact
gradients of two batches are from each other. A second part runs whole searches with each architect
from the same seeds and compares the genotypes. BatchNorm uses the batch, as in every search.
Writes ``results/second_order.json``; ``--draw`` makes ``docs/images/second-order.svg`` of it.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dartsedu.architect import Architect, Exact, FiniteDifference, FirstOrder
from dartsedu.base.packing import as_vector
from dartsedu.data.splits import Batch
from dartsedu.data.tasks import load_task
from dartsedu.genotype import Genotype
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.spaces.build import build_supernet

RESULTS = Path(__file__).parent / "results" / "second_order.json"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "second-order.svg"
SCALES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8)
NETWORKS = ("ReLU", "ReLU, dropout", "smooth")
STATES = (0, 50, 200, 1000)


class Smooth(TorchFunctionMode):
    """Inside, every ReLU is a SiLU and every max-pool an average pool."""

    def __torch_function__(self, function, types, arguments=(), named=None):
        if function in (F.relu, torch.relu, Tensor.relu):
            return F.silu(arguments[0])
        if function in (F.max_pool2d, torch.max_pool2d):
            return F.avg_pool2d(*arguments[:3], **(named or {"padding": 1}))
        return function(*arguments, **(named or {}))


class SmoothMaxPool(nn.AvgPool2d):
    """What stands for a max-pool in the smooth network."""


def build(network: str, seed: int, epochs: int, architect: str = "first-order") -> Search:
    settings = load_preset(
        "classroom", [f"search.epochs={epochs}", f"search.architect={architect}"]
    )
    task = load_task("digits", noise=settings.task.noise)
    supernet = build_supernet(settings, task, seed)
    if network == "smooth":
        supernet.fast = False  # The plain form asks for each ReLU by name.
        for module in list(supernet.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.MaxPool2d):
                    module.register_module(
                        name, SmoothMaxPool(3, child.stride, 1, count_include_pad=False)
                    )
    if "dropout" in network:
        supernet.classifier = nn.Sequential(nn.Dropout(0.3), supernet.classifier)
    return Search(supernet, task, settings.search, seed=seed)


def flat(gradient: dict[str, Tensor]) -> Tensor:
    return torch.cat([g.detach().double().flatten() for g in gradient.values()])


def compare(found: Tensor, truth: Tensor) -> dict[str, float]:
    return {
        "error": float((found - truth).norm() / truth.norm()),
        "cosine": float(torch.cosine_similarity(found, truth, dim=0)),
    }


def measure(search: Search, batches: list[tuple[Batch, Batch]]) -> list[dict]:
    """One row for each pair of batches."""
    rows, exacts = [], []

    def at(architect: Architect, pair: tuple[Batch, Batch], dtype: torch.dtype) -> Tensor:
        net = copy.deepcopy(search.supernet).to(dtype)
        one, two = (Batch(b.inputs.to(dtype), b.targets) for b in pair)
        torch.manual_seed(0)
        return flat(architect.gradient(net, one, two, search.weights_optimizer).gradient)

    for pair in batches:
        exact = at(Exact(), pair, torch.float64)
        first = at(_AtVirtual(), pair, torch.float64)
        exacts.append(exact)
        row = {
            "first-order": compare(at(FirstOrder(), pair, torch.float64), exact),
            "term": float((exact - first).norm() / exact.norm()),
            "exact, float32": compare(at(Exact(), pair, torch.float32), exact),
            "sweep": [],
        }
        for dtype, scale in itertools.product((torch.float64, torch.float32), SCALES):
            found = at(FiniteDifference(epsilon_scale=scale), pair, dtype)
            row["sweep"].append(
                {
                    "dtype": str(dtype).removeprefix("torch."),
                    "scale": scale,
                    "whole": compare(found, exact),
                    "term": compare(found - first, exact - first),
                }
            )
        rows.append(row)
    for row, exact in zip(rows, exacts, strict=True):
        others = [other for other in exacts if other is not exact]
        row["other batches"] = {
            key: statistics.mean(compare(other, exact)[key] for other in others)
            for key in ("error", "cosine")
        }
    return rows


class _AtVirtual(FiniteDifference):
    """The direct term of eq. 7 alone, ∇α L_val(w′, α): a finite difference of no width."""

    def gradient(self, supernet, weights_batch, architecture_batch, optimizer):
        weights = supernet.weights()
        with supernet.frozen():
            loss = supernet.loss(weights_batch).loss
            slopes = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
            kept = {name: w.detach().clone() for name, w in weights.items()}
            pairs = zip(weights.values(), slopes, strict=True)
            slope = as_vector(torch.zeros_like(w) if g is None else g for w, g in pairs)
            moved = self.virtual_step.take(as_vector(weights.values()), slope, optimizer)
            parts = moved.split([w.numel() for w in weights.values()])
            with torch.no_grad():
                for w, part in zip(weights.values(), parts, strict=True):
                    w.copy_(part.view(w.shape))
            torch.manual_seed(0)
            found = FirstOrder().gradient(supernet, weights_batch, architecture_batch, optimizer)
            with torch.no_grad():
                for name, w in weights.items():
                    w.copy_(kept[name])
        return found


def along_searches(seeds: int, states: tuple[int, ...], pairs: int) -> list[dict]:
    rows = []
    for network, seed in itertools.product(NETWORKS, range(seeds)):
        with Smooth() if network == "smooth" else torch.enable_grad():
            search = build(network, seed, epochs=max(1, -(-max(states) // 22)))
            for state in states:
                while search.done < state:
                    next(search)
                size = search.settings.batch_size
                streams = zip(
                    search.task.weights.training(size, 10_000 + state),
                    search.task.architecture.training(size, 20_000 + state),
                    strict=False,
                )
                for row in measure(search, list(itertools.islice(streams, pairs))):
                    rows.append({"network": network, "seed": seed, "steps": state, **row})
                print(network, seed, state, json.dumps(rows[-1]["sweep"][2]), flush=True)
    return rows


def choices(genotype: Genotype) -> set[tuple]:
    return {
        (cell.name, node, edge.source, edge.primitive)
        for cell in genotype.cells
        for node, edge in cell.edges
    }


def whole_searches(seeds: int, epochs: int) -> list[dict]:
    found = []
    for seed, architect in itertools.product(
        range(seeds), ("first-order", "finite-difference", "exact")
    ):
        search = build("ReLU", seed, epochs, architect)
        steps = list(search)
        last = [s.loss["architecture"] for s in steps if s.epoch == steps[-1].epoch]
        found.append(
            {
                "seed": seed,
                "architect": architect,
                "loss": statistics.mean(last),
                "choices": sorted(choices(search.supernet.genotype())),
            }
        )
        print(found[-1]["seed"], architect, found[-1]["loss"], flush=True)
    return found


def summary(found: dict) -> dict:
    """Medians with smallest and largest, and how much the genotypes have in common."""

    def spread(values: list[float]) -> list[float]:
        return [statistics.median(values), min(values), max(values)]

    table = {}
    for network, steps in itertools.product(NETWORKS, STATES):
        rows = [r for r in found["rows"] if (r["network"], r["steps"]) == (network, steps)]
        if not rows:
            continue
        published = [
            s for r in rows for s in r["sweep"] if (s["dtype"], s["scale"]) == ("float32", 0.01)
        ]
        table[f"{network}, {steps} steps"] = {
            "finite difference, whole: error": spread([s["whole"]["error"] for s in published]),
            "finite difference, whole: cosine": spread([s["whole"]["cosine"] for s in published]),
            "finite difference, term: error": spread([s["term"]["error"] for s in published]),
            "finite difference, term: cosine": spread([s["term"]["cosine"] for s in published]),
            "exact in float32: error": spread([r["exact, float32"]["error"] for r in rows]),
            "first order: error": spread([r["first-order"]["error"] for r in rows]),
            "first order: cosine": spread([r["first-order"]["cosine"] for r in rows]),
            "another batch: error": spread([r["other batches"]["error"] for r in rows]),
            "another batch: cosine": spread([r["other batches"]["cosine"] for r in rows]),
            "size of the term": spread([r["term"] for r in rows]),
        }
    common: dict[str, list[float]] = {}
    for one, two in itertools.combinations(found["searches"], 2):
        same_seed = one["seed"] == two["seed"]
        if same_seed or one["architect"] == two["architect"]:
            names = sorted({one["architect"], two["architect"]})
            key = " and ".join(names) + (", same seed" if same_seed else ", other seed")
            a, b = ({tuple(c) for c in run["choices"]} for run in (one, two))
            common.setdefault(key, []).append(len(a & b) / len(a))
    return {
        "gradients": table,
        "share of equal choices": {key: spread(values) for key, values in common.items()},
        "architecture loss, last epoch": {
            name: spread([s["loss"] for s in found["searches"] if s["architect"] == name])
            for name in ("first-order", "finite-difference", "exact")
        },
    }


def draw(found: dict) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.fonttype"] = "path"
    mpl.rcParams["svg.hashsalt"] = "dartsedu"
    import matplotlib.pyplot as plt

    colours = dict(zip(STATES, ("#0072B2", "#E69F00", "#009E73", "#CC79A7"), strict=True))
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
    for axis, network in zip(axes, NETWORKS, strict=True):
        for steps, dtype in itertools.product(STATES, ("float64", "float32")):
            rows = [r for r in found["rows"] if (r["network"], r["steps"]) == (network, steps)]
            if not rows:
                continue
            lines = [[s["whole"]["error"] for s in r["sweep"] if s["dtype"] == dtype] for r in rows]
            middle = [statistics.median(column) for column in zip(*lines, strict=True)]
            axis.loglog(
                SCALES,
                middle,
                color=colours[steps],
                linestyle="-" if dtype == "float64" else ":",
                marker="o" if dtype == "float64" else "x",
                markersize=4,
                label=f"{steps} steps, {dtype}",
            )
        rows = [r for r in found["rows"] if r["network"] == network]
        for key, style in (("first-order", "--"), ("other batches", "-.")):
            level = statistics.median(r[key]["error"] for r in rows)
            axis.axhline(level, color="0.4", linestyle=style, linewidth=1)
            axis.annotate(
                key.replace("-", " "), (SCALES[0], level), ha="right", va="bottom", fontsize=8
            )
        axis.axvline(0.01, color="0.8", zorder=0)
        axis.set_title(network, fontsize=10)
        axis.set_xlabel("ε · ‖v‖ (published: 0.01)")
    axes[0].set_ylabel("relative error of the α-gradient")
    axes[0].legend(fontsize=7)
    figure.savefig(
        PICTURE,
        metadata={
            "Date": None,
            "Title": "Error of the finite-difference α-gradient against the exact one, over ε",
        },
    )


def write(found: dict) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    short = json.loads(json.dumps(found), parse_float=lambda text: float(f"{float(text):.4g}"))
    RESULTS.write_text(json.dumps(short, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a trial: one seed, two states")
    parser.add_argument("--draw", action="store_true", help="only draw what was measured before")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.draw:
        found = json.loads(RESULTS.read_text(encoding="utf-8"))
    else:
        if options.quick:
            found = {"rows": along_searches(1, (0, 3), 2), "searches": whole_searches(1, 1)}
        else:
            found = {"searches": whole_searches(5, 10), "rows": []}
            write(found)
            found["rows"] = along_searches(3, STATES, 3)
        found["summary"] = summary(found)
        if options.quick:
            print(json.dumps(found["summary"], indent=1))
            return
        write(found)
    print(json.dumps(found["summary"], indent=1, ensure_ascii=False))
    draw(found)


if __name__ == "__main__":
    main()
