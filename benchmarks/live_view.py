"""What a live view costs a search, how soon its buttons act, how fast it scrubs.

    python benchmarks/live_view.py [--pairs 15] [--kernel FOLDER]

Everything runs in a real JupyterLab and a real Chromium, with a process that keeps the second core
busy. Overhead: the same run in blocks of ten steps, with the view and with none, in random order;
the ratio of each pair. Buttons: search steps that end after the click. Scrubbing: from the slider's
event to the end of the drawing, in an exported page with 5,000 steps of two cells of 14 edges.

``--kernel`` names a folder with another ipykernel (pip install --no-deps --target FOLDER ...).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

from lab import Notebook, chromium, find_chromium, jupyterlab

from dartsedu.dashboard import replay
from dartsedu.spaces.cnn import cnn_space
from dartsedu.stream.recording import Header, Recording
from dartsedu.stream.stream import Step

SETUP = """
import random, time, json, ipykernel
import torch
from dartsedu import CNNSupernet, Search, cnn_space, live, load_preset, load_task
torch.manual_seed(0)
supernet = CNNSupernet(cnn_space(nodes=4), image_channels=1, channels=4, cells=3)
settings = load_preset("classroom").search.model_copy(update={"epochs": 100})
search = Search(supernet, load_task("digits"), settings)
"""

OVERHEAD = """
took = []
def blocks():
    widget = run._widget
    for _ in range(20): yield next(search)
    for _ in range(%d):
        pair = {}
        for on in random.sample((True, False), 2):
            run._widget = widget if on else None
            began = time.perf_counter()
            for _ in range(10): yield next(search)
            pair[on] = time.perf_counter() - began
        took.append(pair)
    run._widget = widget
    open("overhead.json", "w").write(json.dumps([[p[True], p[False]] for p in took]))
run = live(search, blocks())
run
"""

STAMPS = """
def stamped():
    with open("stamps.txt", "w") as file:
        for step in search:
            print(time.time(), ipykernel.__version__, file=file, flush=True)
            yield step
run = live(search, stamped())
run
"""


def wait_for(path, condition, seconds=600):
    end = time.monotonic() + seconds
    while not (path.exists() and condition(path.read_text())):
        if time.monotonic() > end:
            raise TimeoutError(path)
        time.sleep(0.2)
    return path.read_text()


def overhead(browser, address, folder, pairs):
    cells = [SETUP, OVERHEAD % pairs, "run.start()"]
    book = Notebook.open(browser, address, folder / "overhead.ipynb", cells)
    book.run_all()
    text = wait_for(folder / "overhead.json", lambda text: text.endswith("]]"), 1200)
    book.close()
    ratios = [100 * (on / off - 1) for on, off in json.loads(text)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    step = statistics.median(off for _, off in json.loads(text)) / 10
    print(
        f"overhead of a live view: median {middle:+.1f} % (quartiles {low:+.1f} to {high:+.1f} %), "
        f"{len(ratios)} pairs, step without {1000 * step:.0f} ms"
    )


def buttons(browser, address, folder, rounds):
    stamps = folder / "stamps.txt"
    book = Notebook.open(browser, address, folder / "buttons.ipynb", [SETUP, STAMPS, "run.start()"])
    book.run_all()
    wait_for(stamps, lambda text: text.count("\n") > 5)
    page = book.page
    late = {"Pause": [], "Step": [], "Stop": []}

    def click(name, state):
        stamp = page.evaluate(
            """name => { const now = Date.now() / 1000;
            [...document.querySelectorAll('.dartsedu button')]
              .find(b => b.textContent.includes(name)).click(); return now; }""",
            name,
        )
        page.wait_for_function(
            "s => document.querySelector('.dartsedu [role=status]').textContent === s", arg=state
        )
        time.sleep(1)
        late[name].append(sum(float(line.split()[0]) > stamp for line in stamps.open()))

    for name in ["Pause", "Step"] * rounds:
        click(name, "Paused")
        before = stamps.read_text().count("\n")
        page.get_by_role("button", name="Play").click()
        wait_for(stamps, lambda text, n=before: text.count("\n") > n + 3)
    click("Stop", "Stopped")
    version = stamps.read_text().split()[1]
    book.close()
    for name, counts in late.items():
        print(f"ipykernel {version}: {name} acts within {max(counts)} steps {counts}")


def scrubbing(browser, folder, count=5000):
    space, random = cnn_space(nodes=4), np.random.default_rng(0)
    alphas = {c.name: np.zeros(space.shape(c.name), "f4") for c in space.cells}
    steps = []
    for index in range(count):
        alphas = {n: a + 0.02 * random.normal(size=a.shape).astype("f4") for n, a in alphas.items()}
        mixture = {n: np.exp(a) / np.exp(a).sum(1, keepdims=True) for n, a in alphas.items()}
        both = {"weights": 1.0, "architecture": 1.1}
        steps.append(Step(index, 0, both, both, {}, alphas, mixture))
    header = Header(kind="search", total=count, seed=0, space=space)
    page = browser.new_page()
    path = folder / "replay.html"
    page.goto(replay(Recording(header, tuple(steps))).export_html(path, most=count).as_uri())
    page.wait_for_selector(".dartsedu")
    times = page.evaluate(
        """async () => {
          const slider = document.querySelector('.dartsedu input');
          const frame = () => new Promise(requestAnimationFrame);
          const times = [];
          for (let k = 0; k < 60; k++) {
            await frame();
            slider.value = (k * 83) % 5000;
            const began = performance.now();
            slider.dispatchEvent(new Event('input'));
            await frame();
            times.push(performance.now() - began);
          }
          return times;
        }"""
    )
    size = path.stat().st_size / 1e6
    ranked = sorted(times)
    print(
        f"scrubbing through {count} steps: median {ranked[30]:.0f} ms, p95 {ranked[57]:.0f} ms "
        f"(page of {size:.1f} MB)"
    )
    page.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kernel", type=Path)
    options = parser.parse_args()
    program = find_chromium()
    if program is None:
        sys.exit("no Chromium found (Debian: apt install chromium)")
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    variables = {"PYTHONPATH": str(options.kernel.resolve())} if options.kernel else {}
    try:
        with (
            tempfile.TemporaryDirectory() as name,
            tempfile.TemporaryDirectory() as home,
            chromium(program, Path(home) / "profile") as browser,
            jupyterlab(Path(name), Path(home), variables) as address,
        ):
            folder = Path(name)
            buttons(browser, address, folder, options.rounds)
            if options.pairs > 1:
                overhead(browser, address, folder, options.pairs)
                scrubbing(browser, folder)
    finally:
        busy.kill()


if __name__ == "__main__":
    main()
