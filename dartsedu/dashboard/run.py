"""A live search, as a notebook holds it."""

from __future__ import annotations

import asyncio
import time
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from dartsedu.dashboard.control import Control, ControlError, State
from dartsedu.dashboard.history import History, Series
from dartsedu.dashboard.shown import Shown
from dartsedu.derivation import derive
from dartsedu.discretisation import Gap, discretisation_gap
from dartsedu.relaxation import mixture_weights
from dartsedu.search import Search
from dartsedu.stream.recording import Header, Recording
from dartsedu.stream.stream import Step

if TYPE_CHECKING:
    from dartsedu.dashboard.widget import Command, Dashboard
    from dartsedu.truth.table import Truth


_KEEP = 15.0
"""Seconds between two updates of what a notebook saved in mid-run keeps."""


_HEARING = 0.2
"""Seconds until an interrupt of a cell that awaits the end is heard."""


class LiveRun(Shown):
    """A search that runs in a background thread and can be watched. Made by ``live``.

    The search itself knows nothing of it, and its numbers are the same with and without.
    """

    _text = "A live search. In Jupyter it shows itself; run.figure() is its picture."

    def __init__(
        self,
        search: Search,
        steps: Iterator[Step],
        interval: float,
        threads: int,
        earlier: Sequence[Step],
        speed: float | None,
        series: Series,
        truth: Truth | None,
    ) -> None:
        if not interval > 0:
            raise ValueError(f"interval = {interval}; expected seconds above 0")
        header = Header.of(search, search.space)
        self._history = History(header, earlier, search.settings.rule, series, truth)
        self._speed = speed
        super().__init__("Architecture search, live", {"": self._history}, truth)
        self.search = search
        self._interval = interval
        self._sent = 0
        self._sent_at = 0.0
        self._kept_at = time.monotonic()
        self._view_is_lost = False
        self._control = Control(
            _with_threads(steps, threads), self._on_step, self._on_change, self._keep
        )

    # ---- commands -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, or go on after a pause; returns at once. Another live run is paused.

        Raises ``ControlError`` once the run is over.
        """
        self._control.play()

    def pause(self) -> None:
        """Pause after the present step."""
        self._control.pause()

    def step(self) -> None:
        """Take one step, or pause after the present one."""
        self._control.step()

    def stop(self) -> None:
        """End the run after the present step. ``live(search)`` takes the search up again."""
        self._control.stop()

    def limit(self, steps_per_second: float | None) -> None:
        """Take at most so many steps a second, so that a class can follow; ``None``: no limit."""
        if steps_per_second is not None and not steps_per_second > 0:
            raise ValueError(f"limit({steps_per_second}); expected a rate above 0, or None")
        self._speed = None
        self._control.set_limit(steps_per_second)
        self._send_status()

    async def finished(self) -> None:
        """Wait until the run has finished or was stopped; start it if nobody has.

        ``await run.finished()`` in a cell leaves the buttons alive (ipykernel 7; on ipykernel 6
        they wait for the cell). Interrupting the cell pauses the run. Raises what the run raised.
        """
        self._control.play_if_new()
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(over.set)

        self._control.afterwards(wake)
        try:
            while not over.is_set():
                # A kernel that sleeps until something happens does not hear an interrupt.
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), _HEARING)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.pause()
            raise
        self._raise_failure()

    def wait_for_end(self) -> None:
        """Block until the run is over, and raise nothing."""
        self._control.wait()

    def wait(self, timeout: float | None = None) -> bool:
        """``finished`` for scripts: block until the run is over, at most ``timeout`` seconds.

        Returns whether it is over. In a notebook this keeps buttons from being heard.
        """
        self._control.play_if_new()
        try:
            over = self._control.wait(timeout)
        except KeyboardInterrupt:
            self.pause()
            raise
        if over:
            self._raise_failure()
        return over

    # ---- what is known --------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """``ready``, ``running``, ``paused``, ``stopped``, ``finished`` or ``failed``."""
        return self._control.state

    @property
    def recording(self) -> Recording:
        """The steps so far, for the functions of ``plots``, ``replay`` and ``compare``."""
        return self._history.recording

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps so far; none before the first."""
        return self.recording.steps

    def step_at(self, index: int) -> Step:
        """Step number ``index``, or the last before it where the run ended sooner.

        Raises ``ValueError`` while there is no step that early.
        """
        count = bisect_right(self._history.steps, index, key=lambda step: step.index)
        if not count:
            raise ValueError(f"there is no step {index} or earlier: start the search first")
        return self._history.steps[count - 1]

    def gap(self, step: int | None = None) -> Gap:
        """What if it stopped now? Scores supernet and discretised network between two steps.

        Both have the α of step number ``step`` (default: the last) and the operation weights as
        they are now; they are scored on the ``architecture`` split. Raises ``ValueError`` for a
        step that has not been taken.
        """
        answer: Future[Gap] = Future()

        def errand() -> None:
            try:
                answer.set_result(self._measure(step))
            except BaseException as error:
                answer.set_exception(error)

        self._control.between_steps(errand)
        return answer.result()

    def _measure(self, index: int | None) -> Gap:
        known = self._history.steps
        chosen = known[-1:] if index is None else [s for s in known if s.index == index]
        if not chosen:
            raise ValueError(
                f"there is no step {index}; this view knows {len(known)} steps, "
                f"{known[0].index} to {known[-1].index}"
                if known
                else "no step has been taken yet: start the search first"
            )
        step, search = chosen[0], self.search
        mixture = {
            cell: mixture_weights(
                torch.tensor(alpha, device=search.device), search.space.relaxation
            )
            for cell, alpha in step.alphas.items()
        }
        genotype = derive(search.space, step.alphas, self._history.rule)
        gap = discretisation_gap(
            search.supernet, search.task.architecture, genotype, mixture=mixture
        )
        self._gaps[step.index] = gap.model_dump() | {
            "type": "gap",
            "step": step.index,
            "weights": search.done - 1,
        }
        self._say(self._gaps[step.index])
        return gap

    def _raise_failure(self) -> None:
        if self._control.error is not None:
            raise self._control.error

    # ---- the view -------------------------------------------------------------------------------

    def _open(self) -> Dashboard:
        from dartsedu.dashboard.widget import Dashboard

        return Dashboard(
            self._spec("live"), [self._history], self._obey, self._greet, self._status()
        )

    def _obey(self, order: Command) -> None:
        """Follow a button, in the thread that the message came in."""
        try:
            match order.command:
                case "play":
                    self.start()
                case "limit":
                    self.limit(order.rate)
                case "gap":
                    self._control.between_steps(lambda: self._answer_gap(order.step))
                case other:
                    getattr(self, other)()
        except ControlError:
            pass  # The view did not know yet that the run is over.
        self._send_status()

    def _answer_gap(self, step: int | None) -> None:
        try:
            self._measure(step)
        except Exception as error:
            self._say({"type": "gap", "step": step, "error": str(error)})

    def _greet(self) -> None:
        if self._speed is not None:  # Where nobody looks, nobody waits.
            self.limit(self._speed)
        self._send_status()
        for gap in list(self._gaps.values()):
            self._say(gap)

    def _on_step(self, step: Step) -> None:
        self._history.append(step)
        if time.monotonic() - self._sent_at >= self._interval:
            self._send_rows()
        if time.monotonic() - self._kept_at >= _KEEP:
            self._keep()

    def _on_change(self) -> None:
        self._send_rows()
        self._send_status()
        if self.state in ("stopped", "finished", "failed"):  # A pause is kept if it lasts.
            self._keep()

    @property
    def _at_rest(self) -> bool:
        return self.state != "running"

    def _keep(self) -> None:
        self._tell(lambda view: view.keep(self._status()))
        self._kept_at = time.monotonic()

    def _send_rows(self) -> None:
        # Rows that a view missed (none was open, or too many at once) it asks for itself.
        if self._sent < len(self._history):
            self._tell(lambda view: view.send_rows(0, self._sent))
        self._sent = len(self._history)
        self._sent_at = time.monotonic()

    def _send_status(self) -> None:
        self._say({"type": "status"} | self._status())

    def _say(self, message: dict[str, Any]) -> None:
        self._tell(lambda view: view.send(message))

    def _tell(self, how: Callable[[Dashboard], object]) -> None:
        """Tell the view something, if there is one; if it cannot hear, the search goes on."""
        if self._widget is None:
            return
        try:
            how(self._widget)
        except Exception as error:
            if not self._view_is_lost:
                self._view_is_lost = True
                warnings.warn(f"a view cannot hear, the search goes on: {error!r}", stacklevel=2)

    def _status(self) -> dict[str, Any]:
        error = self._control.error
        return {
            "state": self.state,
            "wanted": self._control.wanted,
            "message": "" if error is None else f"{type(error).__name__}: {error}",
            "limit": self._control.limit,
            "have": len(self._history),
        }


def _with_threads(steps: Iterator[Step], threads: int) -> Iterator[Step]:
    """The steps, computed with so many threads of PyTorch in the thread that asks for them."""
    try:
        # PyTorch keeps the number for each thread that asks.
        torch.set_num_threads(threads)
        yield from steps
    finally:
        getattr(steps, "close", lambda: None)()
