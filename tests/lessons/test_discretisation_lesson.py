"""Lesson 04: its checks tell typical mistakes, its pictures show what the package derives."""

import copy

import numpy as np
import pytest
import torch

from dartsedu.data.tasks import load_task
from dartsedu.derivation import RULES, derive
from dartsedu.discretisation import discretisation_gap, discretised_mixture
from dartsedu.genotype import random_genotype
from dartsedu.lessons import cuts, start
from dartsedu.lessons import discretisation as lesson
from dartsedu.lessons import discretisation_checks as checks
from dartsedu.lessons.search import digits_search
from dartsedu.published import PUBLISHED
from dartsedu.relaxation import mixture_weights
from dartsedu.spaces.cnn import cnn_space
from dartsedu.stream.recording import Recording


def strengths(alpha):
    return mixture_weights(alpha)[:, 1:].amax(1)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (strengths, "right", "none included"),
        (lambda a: mixture_weights(a).amax(1), "wrong", "none may win"),
        (lambda a: mixture_weights(a[:, 1:]).amax(1), "wrong", "gone from the denominator"),
        (lambda a: a[:, 1:].amax(1), "wrong", "raw α"),
        (lambda a: torch.softmax(a, 0)[:, 1:].amax(1), "wrong", "over the edges"),
        (lambda a: torch.softmax(a.flatten(), 0).view_as(a)[:, 1:].amax(1), "wrong", "together"),
        (lambda a: mixture_weights(a)[:, 1:].amax(0), "wrong", "of each operation"),
        (lambda a: mixture_weights(a)[:, 1:], "wrong", "whole table"),
        (lambda a: mixture_weights(a)[:, 1:].argmax(1), "wrong", "places"),
        (lambda a: ..., "open", "gives nothing yet"),
    ],
)
def test_strengths_are_judged(answer, status, words):
    verdict = checks.check_strengths(answer)
    assert (verdict.status, words in verdict.message) == (status, True), verdict


def keep(p, first=1, count=2, largest=True):
    best = p[:, first:].max(1)
    edges = best.values.topk(count, largest=largest).indices
    return [(int(e), int(best.indices[e]) + first) for e in edges]


def by_pairs(alpha):
    flat = mixture_weights(alpha)[:, 1:].flatten().topk(2).indices
    return [(int(i) // 3, int(i) % 3 + 1) for i in flat]


def without_none(alpha):
    return [(row, column + 1) for row, column in keep(mixture_weights(alpha[:, 1:]), first=0)]


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda a: keep(mixture_weights(a)), "right", "41 different α"),
        (lambda a: keep(mixture_weights(a))[::-1], "right", "dartsedu.derive"),
        (lambda a: torch.tensor(keep(mixture_weights(a))), "right", "dartsedu.derive"),
        (keep, "wrong", "raw α"),
        (without_none, "wrong", "left the denominator"),
        (lambda a: keep(mixture_weights(a), first=0), "wrong", "none may win"),
        (by_pairs, "wrong", "the same predecessor"),
        (lambda a: keep(mixture_weights(a), count=len(a)), "wrong", "every edge"),
        (lambda a: keep(mixture_weights(a), count=1), "wrong", "only one edge"),
        (lambda a: keep(mixture_weights(a), largest=False), "wrong", "the weakest"),
        (lambda a: [(c, r) for r, c in keep(mixture_weights(a))], "wrong", "comes first"),
        (lambda a: [(r, c - 1) for r, c in keep(mixture_weights(a))], "wrong", "without none"),
        (lambda a: [(0, 1), (1, 1)], "wrong", "you keep [(0, 1), (1, 1)]; expected [(1, 1)"),
        (lambda a: 7, "wrong", "a list of pairs"),
        (lambda a: ..., "open", "gives nothing yet"),
    ],
)
def test_the_derived_node_is_judged(answer, status, words):
    verdict = checks.check_derive(answer)
    assert (verdict.status, words in verdict.message) == (status, True), verdict


def test_six_rules_read_six_nodes():
    """By hand, from the α of ``node_alpha``."""
    alpha = lesson.node_alpha()
    assert {rule: lesson.derived(alpha, rule) for rule in RULES} == {
        "paper": [(2, 3), (1, 1)],
        "raw-alpha": [(0, 3), (1, 1)],
        "none-excluded": [(0, 3), (2, 3)],
        "shared-predecessor": [(2, 3), (2, 2)],
        "argmax": [(0, 0), (1, 1), (2, 3)],
        "threshold": [(0, 3)],
    }
    explorer = lesson.rules_explorer(alpha)
    assert "6 different nodes" in explorer.shown.text
    before = explorer.scene["panels"]
    explorer.set(none=-1.0)
    pairs = zip(explorer.scene["panels"], before, strict=True)
    still = [p["title"].split(":")[0] for p, b in pairs if p == b]
    assert still == ["raw-alpha", "none-excluded", "threshold"]


def test_the_node_flips_where_the_lesson_says():
    explorer = lesson.node_explorer(lesson.node_alpha())
    assert "sep 3×3 of 0 and skip of cₖ₋₁" in explorer.shown.text
    explorer.set(none=2.4)
    assert "skip of cₖ₋₁" in explorer.shown.text
    explorer.set(none=2.3)
    assert "sep 3×3 of cₖ₋₂" in explorer.shown.text
    for sep in lesson.SEP_STEPS:
        explorer.set(sep=sep)
        assert ("skip of cₖ₋₁" in explorer.shown.text) == (sep < 0.7)
    assert all(panel["bare"] == (i == 1) for i, panel in enumerate(explorer.scene["panels"]))


@pytest.fixture(scope="module")
def search():
    search = digits_search(0, task=load_task("digits"), nodes=3)
    for _ in range(2):
        next(search)
    return search


def test_keeping_agrees_with_the_package(search):
    net = search.supernet
    assert cuts.keeping(net, 2) == net.genotype()
    assert [len(node) for node in cuts.keeping(net, 9)["normal"].nodes] == [2, 3, 4]
    assert [len(node) for node in cuts.random_keeping(net, 1, 0)["normal"].nodes] == [1, 1, 1]
    every = cuts.keeping(net, 9)
    gap = discretisation_gap(net, search.task.architecture, every)
    assert cuts.cut_accuracy(net, search.task.architecture, every) == gap.discretised.accuracy
    for edges, keep in cuts.KEEPS.items():
        assert len(cuts.keeping(net, keep)["normal"].edges) == edges


def test_sharpening_ends_at_argmax(search):
    net = copy.deepcopy(search.supernet)
    with torch.no_grad():
        for alpha in net.alphas.values():
            alpha.copy_(torch.randn_like(alpha))
    found = cuts.sharpened(net, search.task.architecture)
    explorer = lesson.temperature_explorer(found)
    explorer.set(temperature=0.01)
    cut = discretised_mixture(net.space, net.genotype("argmax"))["normal"]
    sharp = mixture_weights(net.alphas["normal"].detach() / 0.01)
    torch.testing.assert_close(sharp, cut, rtol=0, atol=0.05)
    assert "entropy 0.0" in explorer.shown.text
    sharp_accuracy = explorer.shown.text.split("accuracy ")[1][:4]
    assert f"by argmax {sharp_accuracy}" in explorer.shown.text
    shares = found.weights(0.01)["normal"]
    torch.testing.assert_close(shares, sharp, rtol=0, atol=1e-6)
    assert found.after_losing(0) == found.mixture == found.accuracies[-1]
    assert found.after_losing(found.bits[-1] - found.bits[3]) == pytest.approx(found.accuracies[3])


def test_a_small_network_learns_from_the_weights_split(search):
    genotype = random_genotype(cnn_space(nodes=2), 0)
    assert cuts.scratch_accuracy(genotype, search.task, epochs=2) > 0.3


def test_pictures_say_what_they_show(search):
    net = search.supernet
    assert "From cₖ₋₂: none 0.62" in lesson.node_picture(mixture_weights(lesson.node_alpha())).alt
    p = net.mixture()["normal"].detach()[5:, 1:].amax(1).sort(descending=True).values
    told = f"node 2 keeps {p[1]:.3f} and drops {p[2]:.3f}"
    assert told in lesson.competition_picture(net).alt
    alt = lesson.cuts_picture(0.98, 0.5, [0.3, 0.6, 0.3]).alt
    assert "on 98% of the images as a mixture, on 50% cut by α" in alt
    assert "30% to 60%, 40% on average; the cut by α beats 2 of 3" in alt
    alt = lesson.agreement_picture({"paper": 20, "argmax": 0}, 20).alt
    assert "of 20 steps, by paper at 20, argmax at 0" in alt
    assert lesson.dropped(lesson.node_alpha()) == "cₖ₋₂"


def test_rules_on_the_shipped_recording():
    """argmax drops nothing, threshold asks for more than any α of it."""
    recording = Recording.load(start.RECORDING)
    paper, argmax, threshold = (
        [derive(recording.space, step.alphas, rule) for step in recording.steps]
        for rule in ("paper", "argmax", "threshold")
    )
    assert not any(a == p or t == p for a, t, p in zip(argmax, threshold, paper, strict=True))
    highest = max(alpha.max() for step in recording.steps for alpha in step.alphas.values())
    assert 1 / (1 + np.exp(-highest)) < 0.85


# ---- The record: what the lesson says of it -----------------------------------------------------


@pytest.fixture(scope="module")
def record():
    return cuts.Record.load()


def test_a_measurement_is_whole(search):
    """With searches of one step, so that it is quick."""
    found = cuts.measure(0, search.task, drawn=1, blind=2, changes=("search.epochs=1",), epochs=1)
    assert found.gap == found.sharpened.mixture - found.sharpened.paper
    assert [kept.edges for kept in found.kept] == [3, 6, 9]
    assert found.kept[1].cut == found.sharpened.paper
    assert len(found.blind) == 2


def test_every_recorded_cut_is_deep_and_every_cell_trains(record):
    runs = record.runs
    assert [run.seed for run in runs] == list(range(20))
    assert min(run.sharpened.mixture for run in runs) > 0.95
    assert min(run.gap for run in runs) > 0.4
    assert min(k.scratch for run in runs for k in run.kept) > 0.6


def test_a_hasty_search_has_a_narrower_gap_a_worse_mixture_and_no_worse_cell(record):
    for run in record.runs:
        assert run.hasty_gap < 0.5 * run.gap
        assert run.hasty_mixture < run.sharpened.mixture - 0.01
    hasty = cuts.patience(record)
    assert hasty["mixture"].high < -2
    assert hasty["cell from scratch"].high > 0
    runs = record.runs
    difference = np.mean([r.hasty_mixture - r.sharpened.mixture for r in runs])
    assert hasty["mixture"].mean == pytest.approx(100 * difference)


def test_random_cells_do_as_well_as_derived_ones(record):
    found = cuts.derived_or_drawn(record)
    assert list(found) == [3, 6, 9]
    assert found[6].low < 0 < found[6].high


def test_about_a_bit_can_go_before_a_tenth_of_the_first_supernet_is_lost(record):
    first = record.runs[0].sharpened
    assert first.mixture - first.after_losing(0.5) < 0.05
    assert first.mixture - first.after_losing(1.0) < 0.1 < first.mixture - first.after_losing(1.3)


def test_pictures_of_the_record_say_its_means(record):
    alt = lesson.seeds_picture(record).alt
    mean = np.mean([run.gap for run in record.runs])
    assert alt.startswith("20 searches of either kind. patient: mixture 0.97 on average, gap ")
    assert f"gap {mean:.2f} (" in alt
    alt = lesson.kept_pictures(record).alt
    mean = np.mean([run.kept[0].scratch for run in record.runs])
    assert f"Trained from scratch, mean accuracy: derived {mean:.2f} with 3 edges" in alt


def test_the_table_counts_the_published_cells():
    table = lesson.published_table({name: PUBLISHED[name] for name in ("darts-v2", "nasnet")})
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in table.splitlines()[1:]}
    assert rows["darts-v2", "normal"] == ["6", "0", "2", "0"]
    assert rows["darts-v2", "reduce"] == ["0", "5", "3", "0"]
    assert rows["nasnet", "normal"][3] == "3"
    assert lesson.counted(PUBLISHED["darts-v2"], "normal", "conv") == 6
