import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
import torch
from comparison import same_step

from dartsedu.base.packing import Packed, pack, unpack
from dartsedu.data.splits import ArraySplit
from dartsedu.derivation import derive
from dartsedu.methods.stops import settled, skip_connections
from dartsedu.search import Search
from dartsedu.stream.recording import Recording
from dartsedu.stream.stream import CheckpointError, NonFiniteError, Step

ARCHITECTS = ("first-order", "finite-difference", "exact")


@pytest.fixture
def make_search(make_supernet, task, search_settings):
    def make(seed=0, **changes):
        settings = search_settings.model_copy(update=changes)
        return Search(make_supernet(seed), task, settings, seed=seed)

    return make


@pytest.mark.parametrize("architect", ARCHITECTS)
def test_a_search_is_a_stream_of_complete_steps(make_search, architect):
    search = make_search(architect=architect)
    steps = list(search)
    assert [step.index for step in steps] == list(range(9))
    assert [step.epoch for step in steps] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for step in steps:
        assert step.loss.keys() == step.accuracy.keys() == {"weights", "architecture"}
        assert all(0 <= value <= 1 for value in step.accuracy.values())
        np.testing.assert_allclose(step.mixture["normal"].sum(axis=1), 1, rtol=1e-6)
        exponential = np.exp(step.alphas["normal"].astype(float))
        expected = exponential / exponential.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(step.mixture["normal"], expected, rtol=1e-5)
    assert not np.array_equal(steps[0].alphas["normal"], steps[8].alphas["normal"])
    assert all(a.elapsed < b.elapsed for a, b in pairwise(steps))


def test_learning_rate_follows_the_cosine_of_the_paper(make_search):
    """0.1 → 0.01 over 3 epochs: 0.01 + 0.09·(1 + cos(πe/3))/2."""
    rates = [step.learning_rate["weights"] for step in make_search()]
    expected = [0.01 + 0.045 * (1 + np.cos(np.pi * epoch / 3)) for epoch in range(3)]
    np.testing.assert_allclose(rates[::3], expected)


def test_optimisers_hold_disjoint_parameters_that_together_are_all(make_search):
    """Number by number, by where each stands in memory."""
    search = make_search()
    of_w, of_alpha = (
        held_in_memory(p for group in optimizer.param_groups for p in group["params"])
        for optimizer in (search.weights_optimizer, search.architecture_optimizer)
    )
    assert not of_w & of_alpha
    assert of_alpha == held_in_memory(search.supernet.alphas.values())
    assert of_w | of_alpha == held_in_memory(search.supernet.parameters())


def held_in_memory(tensors):
    return {place for t in tensors for place in range(t.data_ptr(), t.data_ptr() + t.nbytes, 4)}


def test_weights_that_are_given_other_places_in_memory_are_still_moved(make_search):
    whole, search = make_search(), make_search()
    for step in (next(search), next(search)):
        assert same_step(step, next(whole))
        for parameter in search.supernet.parameters():
            parameter.data = parameter.data.clone()
    assert all(same_step(a, b) for a, b in zip(whole, search, strict=True))


@pytest.mark.parametrize("architect", ARCHITECTS)
def test_one_step_by_hand(make_search, architect):
    """Redo the first step with the architect and plain torch: α by Adam, then w by clipped SGD."""
    search, other = make_search(architect=architect), make_search(architect=architect)
    step = next(search)
    settings = other.settings
    weights_batch = next(other._weights_batches)
    architecture_batch = next(other._architecture_batches)
    with other._seeded():
        found = other.architect.gradient(
            other.supernet, weights_batch, architecture_batch, other.weights_optimizer
        )
        alpha = other.supernet.alphas["normal"]
        slope = found.gradient["normal"] + settings.architecture.weight_decay * alpha.detach()
        # Adam's first step: lr · g / (|g| + 1e-8).
        expected = alpha.detach() - settings.architecture.learning_rate * slope / (
            slope.abs() + 1e-8
        )
        np.testing.assert_allclose(step.alphas["normal"], expected.numpy(), rtol=1e-4, atol=1e-7)

        with torch.no_grad():
            for cell, values in step.alphas.items():
                other.supernet.alphas[cell].copy_(torch.from_numpy(values.copy()))
        outcome = other.supernet.loss(weights_batch)
        assert float(outcome.loss.detach()) == pytest.approx(step.loss["weights"], rel=1e-6)
        w = other.supernet.classifier.weight
        slopes = torch.autograd.grad(outcome.loss, list(other.supernet.weights().values()))
        norm = torch.sqrt(sum(s.square().sum() for s in slopes))
        slope = torch.autograd.grad(other.supernet.loss(weights_batch).loss, w)[0]
        slope = slope * min(1.0, settings.weights.clip / float(norm))
        slope = slope + settings.weights.weight_decay * w.detach()
        moved = w.detach() - settings.weights.learning_rate * slope
        torch.testing.assert_close(search.supernet.classifier.weight.detach(), moved)


@pytest.mark.parametrize("version", [1, 3])
def test_a_checkpoint_of_an_older_version_is_continued(make_search, tmp_path, version):
    """Each tensor, and each weight's momentum, by itself; the first knew no hidden states."""
    whole = list(make_search())
    begun = make_search()
    for _ in range(4):
        next(begun)
    begun.save(tmp_path / "c.pt")
    saved = torch.load(tmp_path / "c.pt", weights_only=True)
    state = unpack(Packed(saved["state"], saved.pop("tensors"), saved.pop("sizes")))
    state["supernet"] = begun.supernet.state_dict()
    of_weights, weights = state["weights_optimizer"], begun.supernet.weights().values()
    momenta = of_weights["state"][0]["momentum_buffer"].split([w.numel() for w in weights])
    pairs = enumerate(zip(momenta, weights, strict=True))
    of_weights["state"] = {n: {"momentum_buffer": m.view_as(w)} for n, (m, w) in pairs}
    of_weights["param_groups"][0]["params"] = list(of_weights["state"])
    if version == 1:
        del state["carried"]
        older = {"state": state}
    else:
        older = pack(state)._asdict()
    torch.save(saved | {"version": version} | older, tmp_path / "c.pt")
    resumed = list(make_search().load(tmp_path / "c.pt"))
    assert all(same_step(a, b) for a, b in zip(whole[4:], resumed, strict=True))


def test_mixed_precision_is_refused_without_a_gpu(make_search):
    with pytest.raises(ValueError, match=r"search\.precision=bfloat16 is for a GPU"):
        make_search(precision="bfloat16")


def test_settings_choose_the_architect(search_settings):
    chosen = search_settings.model_copy(
        update={"architect": "finite-difference", "xi": 0.3, "virtual_momentum": True}
    )
    architect = chosen.make_architect()
    assert type(architect).__name__ == "FiniteDifference"
    assert (architect.virtual_step.xi, architect.virtual_step.momentum) == (0.3, True)
    assert architect.epsilon_scale == 0.01


@pytest.mark.parametrize("architect", ARCHITECTS)
def test_the_same_seed_gives_the_same_run_whatever_happens_outside(make_search, architect):
    first = list(make_search(architect=architect))
    search, second = make_search(architect=architect), []
    for step in search:
        torch.rand(7)  # Somebody else draws random numbers between the steps.
        second.append(step)
    assert all(same_step(a, b) for a, b in zip(first, second, strict=True))
    other = list(make_search(seed=1, architect=architect))
    assert not any(same_step(a, b) for a, b in zip(first, other, strict=True))


def test_a_search_leaves_the_outside_random_numbers_alone(make_search):
    search = make_search()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    next(search)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("architect", ARCHITECTS)
@pytest.mark.parametrize("stop", [1, 3, 4, 8])
def test_resuming_continues_bit_for_bit(make_search, architect, stop, tmp_path):
    whole_search = make_search(architect=architect)
    whole = list(whole_search)
    begun = make_search(architect=architect)
    for _ in range(stop):
        next(begun)
    begun.save(tmp_path / "c.pt")
    # Another start of the supernet must not matter: everything comes from the checkpoint.
    torch.manual_seed(99)
    resumed_search = make_search(architect=architect)
    with torch.no_grad():
        for p in resumed_search.supernet.parameters():
            p.uniform_()
    resumed = list(resumed_search.load(tmp_path / "c.pt"))
    assert len(resumed) == 9 - stop
    assert all(same_step(a, b) for a, b in zip(whole[stop:], resumed, strict=True))
    ends = zip(
        whole_search.supernet.state_dict().items(),
        resumed_search.supernet.state_dict().items(),
        strict=True,
    )
    assert all(name == again and torch.equal(a, b) for (name, a), (again, b) in ends)
    assert resumed[-1].elapsed > begun.last.elapsed


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(make_search, tmp_path):
    search = make_search()
    next(search)
    search.save(tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="seed 0 and 9 steps; this one has seed 1"):
        make_search(seed=1).load(tmp_path / "c.pt")
    (tmp_path / "bad.pt").write_bytes((tmp_path / "c.pt").read_bytes()[:500])
    with pytest.raises(CheckpointError, match=r"cannot continue from .*bad\.pt"):
        make_search().load(tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match=r"absent\.pt"):
        make_search().load(tmp_path / "absent.pt")
    with pytest.raises(CheckpointError, match="of a run with other settings"):
        make_search(architect="exact").load(tmp_path / "c.pt")
    torch.save({"format": "other", "version": 1}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="no search that this version can read"):
        make_search().load(tmp_path / "other.pt")


def test_an_interrupted_save_leaves_the_old_checkpoint(make_search, tmp_path, monkeypatch):
    search = make_search()
    next(search)
    search.save(tmp_path / "c.pt")
    old = (tmp_path / "c.pt").read_bytes()

    def half(state, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        search.save(tmp_path / "c.pt")
    assert (tmp_path / "c.pt").read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_ctrl_c_in_a_step_is_acted_on_when_it_is_complete(make_search):
    search, whole = make_search(), list(make_search())
    plain = search.architect.gradient

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return plain(*arguments)

    object.__setattr__(search.architect, "gradient", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(search)
    assert same_step(search.last, whole[0])
    object.__setattr__(search.architect, "gradient", plain)
    assert same_step(next(search), whole[1])


@pytest.mark.parametrize("split", ["weights", "architecture"])
def test_a_loss_that_is_not_finite_ends_the_run_with_advice(
    make_supernet, task, search_settings, split, tmp_path
):
    """The third batch of one split holds an infinite pixel."""
    search = Search(make_supernet(), task, search_settings)
    for _ in range(2):
        next(search)
    search.save(tmp_path / "c.pt")
    broken = getattr(task, split)
    task_split = ArraySplit(broken.images, broken.targets, [0.5], [0.0])
    name = f"_{split}_batches"
    setattr(search, name, task_split.training(12, 0))
    with pytest.raises(NonFiniteError) as error:
        next(search)
    assert error.value.step == 2
    words = str(error.value)
    assert f"the {split} loss became nan at step 2 (epoch 0)" in words
    assert "Steps 0 to 1 are intact" in words
    assert "search.weights.learning_rate (now 0.1)" in words
    with pytest.raises(NonFiniteError):
        next(search)
    with pytest.raises(CheckpointError, match="the run has failed"):
        search.save(tmp_path / "c.pt")


def test_a_gradient_that_explodes_is_caught_before_it_reaches_the_weights(make_search):
    search = make_search(
        weights=make_search().settings.weights.model_copy(update={"learning_rate": 1e30})
    )
    with pytest.raises(NonFiniteError, match="became") as error:
        list(search)
    assert error.value.step >= 1


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
@pytest.mark.parametrize(
    ("optimizer", "what"),
    [("weights_optimizer", "largest weight"), ("architecture_optimizer", "largest α")],
)
def test_what_overflows_ends_the_run_though_the_loss_be_finite(
    make_search, monkeypatch, optimizer, what, number
):
    search = make_search()
    next(search)
    moved = getattr(search, optimizer)

    def overflow():
        with torch.no_grad():
            moved.param_groups[0]["params"][0].view(-1)[0] = number

    monkeypatch.setattr(moved, "step", overflow)
    with pytest.raises(NonFiniteError, match=f"the {what} became (inf|nan) at step 1"):
        next(search)
    assert search.done == 1


def test_stop_rules_look_at_the_cell(make_supernet):
    space = make_supernet().space
    skip = space.primitives.index("skip_connect")
    quiet = {cell.name: np.zeros(space.shape(cell.name), np.float32) for cell in space.cells}
    skips = {name: alpha.copy() for name, alpha in quiet.items()}
    skips["normal"][:3, skip] = 1.0
    steps = [Step(i, 0, {}, {}, {}, quiet if i < 2 else skips) for i in range(8)]
    rule = settled(space, steps=3)
    assert [rule(step) for step in steps] == [False] * 5 + [True] * 3
    rule = skip_connections(space, "normal", 3)
    assert [rule(step) for step in steps] == [False] * 2 + [True] * 6
    assert derive(space, skips)["normal"].count("skip_connect") == 3


SCRIPT = """
import sys
from dartsedu.presets import load_preset
from dartsedu.runs.folder import Run

run = Run.create(sys.argv[1], load_preset("classroom", %s), seed=3)
for step in run.follow_search(run.begin_search("cpu")):
    print(step.index, flush=True)
"""
TINY = [
    "search.epochs=1",
    "search.batch_size=96",
    "supernet.nodes=1",
    "supernet.channels=2",
    'supernet.primitives=["skip_connect", "sep_conv_3x3", "max_pool_3x3"]',
]


@pytest.mark.parametrize("every", [1, 3])
def test_kill_9_resume_and_be_equal_to_the_uninterrupted_run(tmp_path, every):
    from dartsedu.presets import load_preset
    from dartsedu.runs.folder import Run

    overrides = [*TINY, f"search.checkpoint_every={every}"]
    run = Run.create(tmp_path / "whole", load_preset("classroom", overrides), seed=3)
    whole = list(run.follow_search(run.begin_search("cpu")))
    assert len(whole) == 7

    script = SCRIPT % json.dumps(overrides)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "killed")], stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.strip() == "4":
            process.kill()
            break
    assert process.wait() == -signal.SIGKILL

    run = Run.open(tmp_path / "killed")
    search = run.begin_search("cpu")
    assert search.done >= 5 - every
    resumed = list(run.follow_search(search))
    assert all(same_step(a, b) for a, b in zip(whole[-len(resumed) :], resumed, strict=True))
    recordings = [
        Recording.load(tmp_path / name / "recording.jsonl") for name in ("whole", "killed")
    ]
    assert recordings[0].header == recordings[1].header
    assert all(same_step(a, b) for a, b in zip(*(r.steps for r in recordings), strict=True))
    checkpoints = [
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("whole", "killed")
    ]
    packed = [Packed(*(saved[k] for k in Packed._fields)) for saved in checkpoints]
    states = [unpack(each) for each in packed]
    assert flat(states[0]) == flat(states[1])


def flat(value):
    """A checkpoint as plain Python values, to be compared bit for bit."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: flat(inner) for key, inner in value.items()}
    return [flat(v) for v in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_stops_between_steps_and_says_how_to_go_on(tmp_path, number, code):
    folder = tmp_path / "run"
    arguments = [sys.executable, "-m", "dartsedu", "search", "--out", str(folder)]
    for override in [*TINY, "search.epochs=500"]:
        arguments += ["--set", override]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    recording = folder / "recording.jsonl"
    deadline = time.monotonic() + 60
    while not recording.exists() or recording.read_bytes().count(b"\n") < 4:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert f"continue with: dartsedu resume {folder}" in errors
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert saved["done"] == len(Recording.load(recording).steps)
