"""What the browser computes by itself is what Python shows, at random settings of every control."""

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dartsedu.data.splits import Batch
from dartsedu.lessons import bilevel, relaxation, surface, truth
from dartsedu.lessons.panel import as_json
from dartsedu.spaces.cnn.operations import candidate
from dartsedu.truth import load_truth

FOLDER = Path(__file__).parent


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(16, 1, 8, 8, generator=generator)
    return Batch(images, torch.randint(0, 10, (16,), generator=generator))


def mixing():
    torch.manual_seed(0)
    names = ("skip_connect", "max_pool_3x3", "sep_conv_3x3")
    return relaxation.mixing_explorer(
        batch(0).inputs[:1], {name: candidate(name, 1, 1) for name in names}
    )


def surfaces():
    torch.manual_seed(0)
    net = relaxation.OneEdge(("max_pool_3x3", "sep_conv_3x3"), channels=2)
    return surface.surface_explorer(net, batch(0), [batch(1)] * 3, at=(0, 3))


def rolling():
    torch.manual_seed(0)
    net = relaxation.OneEdge(("max_pool_3x3", "sep_conv_3x3"), channels=2)
    return surface.rolling_explorer(net, batch(0), [batch(1)] * 6)


def functions():
    return relaxation.function_explorer(relaxation.FunctionEdge(), relaxation.growth_data())


def close(found, expected, where="scene"):
    """Equal, but for rounding: numbers in words too, and colours to a few steps of 255."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for name in expected:
            close(found[name], expected[name], f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            close(one, other, f"{where}[{i}]")
    elif isinstance(expected, (int, float)) and not isinstance(expected, bool):
        assert found == pytest.approx(expected, rel=2e-3, abs=2e-3), where
    elif isinstance(expected, str) and expected.startswith("#") and found != expected:
        shades = [int(expected[i : i + 2], 16) for i in (1, 3, 5)]
        assert [int(n) for n in re.findall(r"\d+", found)] == pytest.approx(shades, abs=8), where
    elif isinstance(expected, str):
        number = r"[-+]?\d+\.\d+"
        assert re.sub(number, "#", found) == re.sub(number, "#", expected), where
        pairs = zip(re.findall(number, found), re.findall(number, expected), strict=True)
        assert all(abs(float(a) - float(b)) <= 0.0101 for a, b in pairs), (where, found, expected)
    else:
        assert found == expected, where


EXPLORERS = {
    "mixing": mixing,
    "surface": surfaces,
    "rolling": rolling,
    "functions": functions,
    "game": bilevel.game_explorer,
    "arrows": bilevel.arrows_explorer,
    "table": lambda: truth.cell_explorer(load_truth("bench-digits")),
}


@pytest.mark.parametrize("name", EXPLORERS)
def test_the_browser_shows_what_python_shows(name):
    node = shutil.which("node", path=Path(sys.executable).parent)
    assert node, "no node beside this Python: pip install 'dartsedu[test]'"
    explorer = EXPLORERS[name]()
    assert explorer.alone
    explorer._carry()
    kept = {t: getattr(explorer, t) for t in ("controls", "start", "compute", "data", "grid")}
    dice = random.Random(name)
    places = [
        {c["name"]: dice.randrange(len(c["values"])) for c in explorer.controls} for _ in range(12)
    ]
    asked = json.dumps([{"traits": kept, "places": place} for place in places])
    answered = subprocess.run(
        [node, FOLDER / "compute.mjs"], input=asked, capture_output=True, text=True, check=False
    )
    assert answered.returncode == 0, answered.stderr
    for place, found in zip(places, json.loads(answered.stdout), strict=True):
        explorer.places = place
        close(found, json.loads(json.dumps(as_json(explorer.shown))))
