import os
import signal
import threading

import numpy as np
import pytest

from dartsedu.stream.stream import Step, after_seconds, after_steps, seed_of, signals_held, until


def step(index, elapsed=0.0):
    return Step(index, 0, {"weights": 1.0}, {}, {"weights": 0.1}, elapsed=elapsed)


def test_a_step_cannot_be_changed():
    alpha = np.zeros((2, 3), dtype=np.float32)
    one = Step(0, 0, {"weights": 1.0}, {}, {}, {"normal": alpha})
    with pytest.raises(AttributeError):
        one.index = 1
    with pytest.raises(TypeError):
        one.loss["weights"] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        one.alphas["normal"][0, 0] = 1.0


def test_rules_end_a_stream_with_the_step_that_made_them_true():
    steps = [step(i, elapsed=2.0 * i) for i in range(10)]
    assert [s.index for s in until(steps, after_steps(3))] == [0, 1, 2]
    assert [s.index for s in until(steps, after_seconds(5.0), after_steps(8))] == [0, 1, 2, 3]
    assert len(list(until(steps, lambda s: s.loss["weights"] < 0))) == 10


def test_seeds_differ_by_seed_purpose_and_index_and_stay():
    found = {seed_of(s, p, i) for s in (0, 1) for p in ("order", "augment") for i in (0, 1)}
    assert len(found) == 8
    assert all(0 <= seed < 2**63 for seed in found)
    assert seed_of(0, "order", 1) in found


def test_ctrl_c_waits_for_the_end_of_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt), signals_held():  # noqa: PT012 - what comes after counts
        os.kill(os.getpid(), signal.SIGINT)
        done.append("inner work")
    assert done == ["inner work"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_sigterm_becomes_an_exit_with_143():
    with pytest.raises(SystemExit) as request, signals_held():
        os.kill(os.getpid(), signal.SIGTERM)
    assert request.value.code == 143


def test_nested_blocks_act_at_the_outermost():
    done = []
    with pytest.raises(KeyboardInterrupt), signals_held():  # noqa: PT012 - what comes after counts
        with signals_held():
            os.kill(os.getpid(), signal.SIGINT)
        done.append("outer work")
    assert done == ["outer work"]


def test_another_thread_is_left_alone():
    def work():
        with signals_held():
            done.append(True)

    done = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
