"""A method at work in one search: its draws, what it adds to ∇α, what its stop has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dartsedu.methods.method import Method
from dartsedu.methods.schedule import Progress
from dartsedu.methods.stops import Seen, Watch
from dartsedu.relaxation import Mixture, Supernet, mixture_weights
from dartsedu.stream.stream import seed_of


class Answer(NamedTuple):
    """The step that a stop has chosen: its index, its epoch, and the shown α after it, by cell."""

    step: int
    epoch: int
    alphas: Mapping[str, Tensor]

    def mixture(self, supernet: Supernet) -> Mixture:
        """The mixture of these α."""
        relaxation = supernet.space.relaxation
        like = next(iter(supernet.alphas.values()))
        return {c: mixture_weights(alpha.to(like), relaxation) for c, alpha in self.alphas.items()}


class Course:
    """What a method does in a search with a supernet. Random numbers come from seed and step alone.

    Args:
        method: its factors.
        supernet: what is searched.
        seed: of the search.
        ends: the number of steps after each epoch.
        draws: mixtures that are drawn in a step, at most.
        decay: the weight decay of α.
        rule: the derivation rule.

    Raises ``ValueError`` for a supernet whose space mixes otherwise than the method, or that has no
    auxiliary skip connections where the method asks for them.
    """

    def __init__(
        self,
        method: Method,
        supernet: Supernet,
        *,
        seed: int,
        ends: Sequence[int],
        draws: int,
        decay: float,
        rule: str,
    ) -> None:
        wanted, has = method.relaxation.expected, supernet.space.relaxation
        if wanted not in (None, has):
            raise ValueError(
                f"search.method.relaxation={method.relaxation.kind} is of {wanted}(α), but the "
                f"supernet's space has relaxation={has!r}; make the supernet of a space with "
                f"relaxation={wanted!r}, or build it with spaces.build.build_supernet"
            )
        if method.edge.builds_skips and not supernet.has_auxiliary:
            raise ValueError(
                f"search.method.edge={method.edge.kind} needs a supernet with a skip connection "
                "beside every mixture; build it with spaces.build.build_supernet"
            )
        self.method, self.supernet = method, supernet
        self._seed, self._ends, self._draws = seed, ends, draws
        self._decay, self._rule = decay, rule
        self._watch = Watch()
        self.answer: Answer | None = None

    def begin(self, progress: Progress) -> None:
        """Called before every step: what changes from epoch to epoch in the supernet."""
        self.supernet.auxiliary = self.method.edge.skip(progress)

    def mixing(self, progress: Progress, step: int, number: int) -> AbstractContextManager[None]:
        """Inside, passes see the draw of this number among those of a step, if there are any."""
        piece = self.method.relaxation
        seed = self._drawn("mixture", step, number) if piece.random else 0
        return self.supernet.mixing(piece.mixing(progress, seed))

    def seen(self, batch: Any, progress: Progress, step: int, number: int) -> Mixture | None:
        """The mixture under which w descends, ``None``: the supernet's own."""
        piece = self.method.blend
        seed = self._drawn("blend", step, number) if piece.random else 0
        return piece.seen(self.supernet, batch, progress, seed)

    def _drawn(self, purpose: str, step: int, number: int) -> int:
        return seed_of(self._seed, purpose, step * self._draws + number)

    def penalised(self, slope: Mapping[str, Tensor], progress: Progress) -> dict[str, Tensor]:
        """∇α by cell with what the penalty adds. It knows no w, so that this is all it adds."""
        alphas = dict(self.supernet.alphas.items())
        term = self.method.penalty.term(alphas, self.supernet.space, progress)
        if term is None:
            return dict(slope)
        added = torch.autograd.grad(term, list(alphas.values()))
        return {cell: slope[cell] + more for cell, more in zip(alphas, added, strict=True)}

    def close_epoch(self, batch: Any, progress: Progress) -> Mapping[str, float]:
        """Ask the stop, whose ``answer`` ends the search; what it measured on ``batch``."""
        seen = Seen(self.supernet, batch, progress, self._decay, self._rule)
        verdict = self.method.stop.look(seen, self._watch)
        if verdict.answer is not None:
            self._end(verdict.answer)
        return verdict.measured

    def moves(self, epochs: Sequence[int]) -> int:
        """In how many of the first steps α moved, given the epoch of each."""
        return sum(self.method.gate.opens(epoch, step) for step, epoch in enumerate(epochs))

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        answer = None if self.answer is None else self.answer.epoch
        return {"watch": self._watch.state(), "answer": answer}

    def restore(self, state: Mapping[str, Any] | None, epochs: int) -> None:
        """Take up what ``state`` gave; ``None``: a checkpoint of before there were methods."""
        self._watch, self.answer = Watch(), None
        if state is None:
            return
        self._watch.restore(state["watch"], self.supernet.space, epochs)
        if state["answer"] is not None:
            if state["answer"] not in self._watch.epochs:
                raise ValueError("its answer is of an epoch that was not watched")
            self._end(state["answer"])

    def _end(self, epoch: int) -> None:
        self.answer = Answer(self._ends[epoch] - 1, epoch, self._watch.at(epoch))
