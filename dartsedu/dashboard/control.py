"""One background thread that takes steps, and the commands that act between two of them."""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

from dartsedu.stream.stream import Step

State = Literal["ready", "running", "paused", "stopped", "finished", "failed"]
"""``ready`` until the first command; ``stopped``, ``finished`` and ``failed`` are for good."""

Errand = Callable[[], None]

REST = 1.0
"""Seconds; single steps that follow each other faster are not interrupted by a rest."""

_running: Control | None = None
_stepping = threading.Lock()


class ControlError(RuntimeError):
    """A command came that the run cannot follow, such as a start after its end."""


class Control:
    """Takes steps from an iterator in a thread of its own; commands only say what is wanted.

    The thread looks at what is wanted between two steps, and ``state`` is what it has really done:
    ``paused`` means that no step is being computed.

    One control runs at a time: starting one pauses the other, which is seldom still looked at (its
    cell was run again). Their steps never overlap, since PyTorch has one random generator for all
    threads.

    Args:
        steps: where steps come from. If it has a ``close`` (a generator), that is called in the
            thread at the end, however the end comes.
        on_step: called in the thread after every step.
        on_change: called in the thread after every change of ``state``.
        on_rest: called in the thread once it has been paused for ``REST`` seconds.
    """

    def __init__(
        self,
        steps: Iterator[Step],
        on_step: Callable[[Step], None],
        on_change: Callable[[], None],
        on_rest: Callable[[], None] = lambda: None,
    ) -> None:
        self.state: State = "ready"
        self.error: BaseException | None = None
        self.limit: float | None = None
        self._steps = steps
        self._on_step = on_step
        self._on_change = on_change
        self._on_rest = on_rest
        self._turn = threading.Condition()
        self._wanted: Literal["run", "pause", "stop"] = "pause"
        self._credit = 0
        self._errands: deque[Errand] = deque()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._afterwards: list[Callable[[], None]] = []

    @property
    def wanted(self) -> Literal["run", "pause", "stop"]:
        """What was asked for last, which the thread will do after its present step."""
        return self._wanted

    @property
    def over(self) -> bool:
        """Whether the run has stopped, finished or failed: nothing will follow."""
        return self._over.is_set()

    def play(self) -> None:
        """Run until told otherwise; pauses another control that runs.

        Raises ``ControlError`` once the run is over or told to stop.
        """
        self._begin("run")

    def play_if_new(self) -> None:
        """Run if no command has ever been given."""
        with self._turn:
            new = self._thread is None
            if new:
                self._begin("run")

    def step(self) -> None:
        """Take one more step and pause; while playing, pause after the present step."""
        with self._turn:
            if self._wanted != "run":
                self._credit += 1
        self._begin("pause")

    def pause(self) -> None:
        """Take no step after the present one. Does nothing unless running."""
        with self._turn:
            if self._wanted != "stop":
                self._want("pause")

    def stop(self) -> None:
        """End the run after the present step, for good."""
        with self._turn:
            self._want("stop")
            if self._thread is None:
                self._begin_thread()

    def set_limit(self, rate: float | None) -> None:
        """At most ``rate`` steps a second from now on; ``None``: as fast as they come."""
        with self._turn:
            self.limit = rate
            self._turn.notify_all()

    def between_steps(self, errand: Errand) -> None:
        """Have ``errand`` done in the thread, between two steps; single steps asked for go first.

        At once, in the caller's thread, if there is no thread (any more), but never while another
        control takes a step.
        """
        with self._turn:
            if threading.current_thread() is self._thread:
                raise ControlError("called from within a step of this run, which it would wait for")
            waiting = self._thread is not None and not self.over
            if waiting:
                self._errands.append(errand)
                self._turn.notify_all()
        if not waiting:
            with _stepping:
                errand()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the run is over, or ``timeout`` seconds; returns whether it is over."""
        return self._over.wait(timeout)

    def afterwards(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when the run is over (in its thread); at once if it is."""
        with self._turn:
            if not self.over:
                self._afterwards.append(call)
                return
        call()

    # ---- the thread -----------------------------------------------------------------------------

    def _begin(self, wanted: Literal["run", "pause"]) -> None:
        global _running
        with self._turn:
            if self.over or self._wanted == "stop":
                state = self.state if self.over else "stopping"
                raise ControlError(f"the run is over ({state}); begin another with live(...)")
            self._wanted = wanted
            if self._thread is None:
                self._begin_thread()
            self._turn.notify_all()
        other, _running = _running, self
        if other is not None and other is not self:
            other.pause()

    def _begin_thread(self) -> None:
        self._thread = threading.Thread(target=self._run, name="dartsedu", daemon=True)
        # A thread inside PyTorch must not outlive the interpreter.
        atexit.register(self._end_with_the_process)
        self._thread.start()

    def _want(self, wanted: Literal["pause", "stop"]) -> None:
        with self._turn:
            self._wanted = wanted
            self._credit = 0
            self._turn.notify_all()

    def _end_with_the_process(self) -> None:
        self._want("stop")
        self._over.wait(60)

    def _run(self) -> None:
        last: State = "failed"
        try:
            last = self._follow_commands()
        except BaseException as error:
            self.error = error
        finally:
            try:
                getattr(self._steps, "close", lambda: None)()
            except BaseException as error:
                self.error, last = self.error or error, "failed"
            self._finish(last)

    def _finish(self, last: State) -> None:
        """Tell everybody; who fails keeps nobody else from being told."""
        problems: list[BaseException] = []

        def attempt(call: Callable[[], None]) -> None:
            try:
                call()
            except BaseException as error:
                problems.append(error)

        attempt(lambda: self._enter(last))
        with self._turn:
            self._over.set()
            errands, calls = [*self._errands], [*self._afterwards]
        atexit.unregister(self._end_with_the_process)
        for call in calls:
            attempt(call)
        for errand in errands:
            with _stepping:
                attempt(errand)
        if problems:  # Goes to threading.excepthook.
            raise BaseExceptionGroup("not everybody could be told that a run is over", problems)

    def _follow_commands(self) -> State:
        began = float("-inf")
        while True:
            errand = None
            with self._turn:
                early = began + 1 / self.limit - time.monotonic() if self.limit else 0.0
                if self._errands and not self._credit:
                    errand = self._errands.popleft()
                elif self._wanted == "stop":
                    return "stopped"
                elif self._wanted == "pause" and not self._credit:
                    self._enter("paused")
                    if not self._turn.wait(REST):
                        self._on_rest()
                        self._turn.wait()
                    continue
                elif self._wanted == "run" and early > 0:
                    self._enter("running")
                    self._turn.wait(min(early, 60))
                    continue
                else:
                    self._credit = max(0, self._credit - 1)
                    self._enter("running")
            if errand is not None:
                with _stepping:
                    errand()
                continue
            began = time.monotonic()
            with _stepping:
                step = next(self._steps, None)
            if step is None:
                return "finished"
            self._on_step(step)

    def _enter(self, state: State) -> None:
        """Make ``state`` known, in the thread."""
        if state != self.state:
            self.state = state
            self._on_change()
