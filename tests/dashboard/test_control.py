"""The thread and its commands, without any browser."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from dartsedu.dashboard.control import Control, ControlError


class Steps:
    """Numbers instead of steps; each waits for a permit if any are asked for."""

    def __init__(self, total=1000, gated=False, fails_at=None):
        self.total, self.fails_at = total, fails_at
        self.done, self.threads, self.closed = 0, set(), False
        self.permits = threading.Semaphore(0) if gated else None

    def __iter__(self):
        return self

    def __next__(self):
        if self.permits:
            self.permits.acquire()
        else:
            time.sleep(0.001)
        if self.done == self.fails_at:
            raise ArithmeticError("the loss became nan")
        if self.done == self.total:
            raise StopIteration
        self.threads.add(threading.current_thread())
        self.done += 1
        return self.done

    def close(self):
        self.closed = True


class Seen:
    """What a control has told."""

    def __init__(self, steps):
        self.steps, self.states = [], []
        self.control = Control(steps, self.steps.append, self.note)

    def note(self):
        self.states.append(self.control.state)


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


@pytest.fixture
def begin():
    """Makes controls, and ends them."""
    made = []

    def make(**options):
        steps = Steps(**options)
        made.append(Seen(steps))
        return steps, made[-1], made[-1].control

    yield make
    for seen in made:
        if not seen.control.over:
            seen.control.stop()


def test_runs_to_the_end_in_one_other_thread(begin):
    steps, seen, control = begin(total=20)
    assert control.state == "ready"
    control.play()
    assert control.wait(10)
    assert seen.steps == list(range(1, 21))
    assert seen.states == ["running", "finished"]
    assert len(steps.threads) == 1
    assert threading.main_thread() not in steps.threads
    assert steps.closed


def test_pause_is_said_when_no_step_is_computed_any_more(begin):
    steps, seen, control = begin(gated=True)
    control.play()
    steps.permits.release(3)
    until(lambda: steps.done == 3)
    control.pause()
    assert control.state == "running"  # The fourth step is still being computed.
    steps.permits.release()
    until(lambda: control.state == "paused")
    assert steps.done == 4
    steps.permits.release(5)
    time.sleep(0.05)
    assert steps.done == 4
    control.play()
    until(lambda: steps.done == 9)
    control.stop()
    steps.permits.release()
    assert control.wait(10)
    assert seen.states == ["running", "paused", "running", "stopped"]


def test_single_steps(begin):
    steps, _, control = begin()
    for expected in (1, 2, 3):
        control.step()
        until(lambda n=expected: steps.done == n and control.state == "paused")
    control.step()
    control.step()
    until(lambda: steps.done == 5 and control.state == "paused")
    time.sleep(0.02)
    assert steps.done == 5


def test_a_step_while_running_pauses(begin):
    steps, _, control = begin()
    control.play()
    until(lambda: steps.done > 3)
    control.step()
    until(lambda: control.state == "paused")


def test_stop_before_the_start_and_commands_after_the_end(begin):
    steps, _, control = begin()
    control.stop()
    assert control.wait(10)
    assert (control.state, steps.done, steps.closed) == ("stopped", 0, True)
    with pytest.raises(ControlError, match=r"over \(stopped\); begin another"):
        control.play()
    with pytest.raises(ControlError):
        control.step()
    control.pause()
    control.stop()
    assert control.state == "stopped"


def test_stop_is_for_good(begin):
    first, _, one = begin(gated=True)
    _, _, two = begin()
    one.play()
    first.permits.release()
    until(lambda: first.done == 1)
    one.stop()
    two.play()  # Would pause a control that goes on.
    with pytest.raises(ControlError, match=r"over \(stopping\)"):
        one.play()
    one.pause()
    first.permits.release()
    assert one.wait(10)
    assert (one.state, first.done) == ("stopped", 2)


def test_only_a_new_run_is_started_by_waiting(begin):
    steps, _, control = begin()
    control.stop()
    control.play_if_new()
    assert control.wait(10)
    assert steps.done == 0
    steps, _, control = begin(total=3)
    control.play_if_new()
    assert control.wait(10)
    assert steps.done == 3


def test_stopping_a_new_run_leaves_another_alone(begin):
    _, _, one = begin()
    _, _, two = begin()
    one.play()
    two.stop()
    two.wait(10)
    time.sleep(0.02)
    assert one.state == "running"


def test_a_tiny_limit_can_be_taken_back(begin):
    _, _, control = begin(total=3)
    control.set_limit(1e-12)
    control.play()
    time.sleep(0.05)
    control.set_limit(None)
    assert control.wait(10)
    assert control.state == "finished"


def test_whoever_waits_is_told_even_if_telling_the_view_fails():
    def fail():
        if control.over or control.state == "finished":
            raise OSError("no view")

    control = Control(Steps(total=1), lambda step: None, fail)
    hook, threading.excepthook = threading.excepthook, lambda _: None
    try:
        control.play()
        assert control.wait(10)
    finally:
        threading.excepthook = hook


def test_who_fails_at_the_end_keeps_nobody_else_from_being_told(monkeypatch):
    calls, told = [], []

    def note(name, fails=False):
        calls.append(name)
        if fails:
            raise LookupError(name)

    steps = Steps(total=0, gated=True)
    view = {"running": lambda: None, "finished": lambda: note("view", fails=True)}
    control = Control(steps, lambda step: None, lambda: view[control.state]())
    monkeypatch.setattr(threading, "excepthook", told.append)
    control.afterwards(lambda: note("call", fails=True))
    control.afterwards(lambda: note("later call"))
    control.step()
    control.between_steps(lambda: note("errand", fails=True))  # Waits for a step that never comes.
    control.between_steps(lambda: note("later errand"))
    steps.permits.release()
    assert control.wait(10)
    until(lambda: told)
    assert calls == ["view", "call", "later call", "errand", "later errand"]
    [report] = told
    assert [str(error) for error in report.exc_value.exceptions] == ["view", "call", "errand"]
    assert control.state == "finished"


def test_a_rest_is_told_once_and_single_steps_are_none(monkeypatch):
    rests, steps = [], Steps()
    control = Control(steps, lambda step: None, lambda: None, lambda: rests.append(steps.done))
    monkeypatch.setattr("dartsedu.dashboard.control.REST", 60)
    for expected in range(1, 6):
        control.step()
        until(lambda n=expected: steps.done == n and control.state == "paused")
    assert rests == []
    monkeypatch.setattr("dartsedu.dashboard.control.REST", 0.05)
    control.step()
    until(lambda: rests)
    time.sleep(0.3)
    assert rests == [6]
    control.stop()
    assert control.wait(10)


def test_an_errand_never_meets_a_step_of_another_run(begin):
    steps, _, one = begin(gated=True)
    _, _, two = begin()
    two.stop()
    two.wait(10)
    one.play()
    order = []
    thread = threading.Thread(target=lambda: two.between_steps(lambda: order.append(steps.done)))
    time.sleep(0.02)
    thread.start()
    time.sleep(0.05)
    assert order == []  # The first step is being computed.
    one.pause()
    steps.permits.release()
    thread.join(10)
    assert order == [1]


def test_failure_is_kept_and_said(begin):
    _, seen, control = begin(fails_at=2)
    control.play()
    assert control.wait(10)
    assert control.state == "failed"
    assert str(control.error) == "the loss became nan"
    assert seen.steps == [1, 2]


def test_limit_holds_and_can_be_lifted_while_waiting(begin):
    steps, _, control = begin(total=30)
    control.set_limit(20)
    control.play()
    began = time.monotonic()
    until(lambda: steps.done >= 5)
    assert time.monotonic() - began >= 4 / 20 - 0.01
    control.set_limit(0.01)
    time.sleep(0.1)
    control.set_limit(None)
    assert control.wait(10)
    assert steps.done == 30


def test_pause_does_not_wait_for_the_limit(begin):
    steps, _, control = begin()
    control.set_limit(0.01)
    control.play()
    until(lambda: steps.done == 1)
    control.pause()
    until(lambda: control.state == "paused", seconds=2)


def test_errands_are_done_between_steps_in_the_thread(begin):
    steps, _, control = begin()
    where = []

    def errand():
        where.append((threading.current_thread(), control.state))

    control.between_steps(errand)
    control.play()
    until(lambda: steps.done > 2)
    control.between_steps(errand)
    until(lambda: len(where) == 2)
    control.pause()
    until(lambda: control.state == "paused")
    control.between_steps(errand)
    until(lambda: len(where) == 3)
    control.stop()
    control.wait(10)
    control.between_steps(errand)
    assert [state for _, state in where] == ["ready", "running", "paused", "stopped"]
    me = threading.current_thread()
    assert [thread is me for thread, _ in where] == [True, False, False, True]


def test_one_run_at_a_time(begin):
    first, _, one = begin()
    second, _, two = begin()
    one.play()
    until(lambda: first.done > 2)
    two.play()
    until(lambda: one.state == "paused" and second.done > 2)
    assert two.state == "running"
    one.play()
    until(lambda: two.state == "paused" and one.state == "running")


def test_whoever_waits_is_told_once(begin):
    _, _, control = begin(total=3)
    calls = []
    control.afterwards(lambda: calls.append("before"))
    control.play()
    control.wait(10)
    until(lambda: calls == ["before"])
    control.afterwards(lambda: calls.append("after"))
    assert calls == ["before", "after"]


def test_waiting_leaves_the_event_loop_free(begin):
    _, _, control = begin(total=30)

    async def main():
        over, turns = asyncio.Event(), 0
        loop = asyncio.get_running_loop()
        control.afterwards(lambda: loop.call_soon_threadsafe(over.set))
        control.play()
        while not over.is_set():
            await asyncio.sleep(0.001)
            turns += 1
        return turns

    assert asyncio.run(main()) > 1


def test_a_script_that_ends_ends_the_run():
    """The thread stops after its step, and the steps are closed (a recording is complete)."""
    code = """
import time
from dartsedu.dashboard.control import Control
def steps():
    try:
        while True:
            time.sleep(0.01)
            yield 1
    finally:
        print("closed", flush=True)
control = Control(steps(), lambda step: None, lambda: None)
control.play()
time.sleep(0.1)
print("end of script", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["end of script", "closed"]
    assert done.returncode == 0, done.stderr
