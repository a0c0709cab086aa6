"""The bilevel search (DARTS §2.3, algorithm 1): α and w descend in turn, a step at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dartsedu.architect import Named, detached, held, trial
from dartsedu.base.observed import Observed
from dartsedu.base.packing import as_tensors, as_vector, largest_of
from dartsedu.data.splits import Passes
from dartsedu.data.task import Task
from dartsedu.derivation import derive
from dartsedu.genotype import Genotype
from dartsedu.methods.course import Course
from dartsedu.methods.schedule import Progress
from dartsedu.relaxation import Outcome, Supernet
from dartsedu.settings import SearchSettings
from dartsedu.stream.checkpoint import (
    check_finite,
    moments,
    restore_optimizer,
    restore_scheduler,
    whole_number,
)
from dartsedu.stream.stream import Step, Stream, seed_of
from dartsedu.topology import SearchSpace

_ADVICE = (
    "Try a tenth of search.weights.learning_rate (now {weights:g}) or of "
    "search.architecture.learning_rate (now {architecture:g}), or search.weights.clip=5 "
    "(now {clip})."
)


class Search(Stream):
    """A search as a stream of steps.

    Each step takes a batch of either split, moves α down the loss on the ``architecture`` batch,
    then w down the loss on the ``weights`` batch. Ends after ``settings.epochs`` passes over the
    ``weights`` split, or where the stop of ``settings.method`` ends it: ``course.answer`` then says
    of which step. The method also says what passes see of the mixture, what is added to ∇α, and
    when α moves. What a batch leaves behind for the next one (a hidden state) is handed on within
    its split, is a part of the checkpoint and carries no gradient.

    Args:
        supernet: what is searched; its α and w are trained in place, in training mode.
        task: gives the splits; moved to ``device`` with the supernet.
        settings: optimisers, batch size, epochs, architect.
        seed: of the order of the data, its augmentation and random masks. (The supernet's start
            depends on how it was built.)
        device: where to run.

    Raises ``ValueError`` for mixed precision on anything but a GPU, and for a supernet whose space
    mixes otherwise than the method.

    ::

        for step in Search(supernet, load_task("digits"), load_preset("classroom").search):
            print(step.index, step.loss["architecture"])
    """

    kind = "search"

    def __init__(
        self,
        supernet: Supernet,
        task: Task,
        settings: SearchSettings,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self._passes = Passes(
            task.weights.passes(
                settings.batch_size,
                seed_of(seed, "weights"),
                settings.epochs,
                **settings.reading(),
            )
        )
        super().__init__(
            settings.identity, self._passes.total, seed, torch.device(device), task.fingerprint
        )
        if settings.precision != "float32" and self.device.type != "cuda":
            raise ValueError(
                f"search.precision={settings.precision} is for a GPU; on {self.device.type} use "
                "search.precision=float32"
            )
        self.settings = settings
        self.supernet = supernet.to(self.device).train()
        self.task = task.to(self.device)
        self.architect = settings.make_architect()
        w, alpha = settings.weights, settings.architecture
        self.weights_optimizer = torch.optim.SGD(
            [self.supernet.vector()],  # Hundreds of small tensors: one is quicker to move.
            lr=w.learning_rate,
            momentum=w.momentum,
            weight_decay=w.weight_decay,
            fused=True,
        )
        self.architecture_optimizer = torch.optim.Adam(
            supernet.alphas.values(),
            lr=alpha.learning_rate,
            betas=(alpha.beta1, alpha.beta2),
            weight_decay=alpha.weight_decay,
        )
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.weights_optimizer, settings.epochs, w.learning_rate_end
        )
        self._carried: dict[str, torch.Tensor | None] = {}
        self.course = Course(
            settings.method,
            self.supernet,
            seed=seed,
            ends=self._passes.ends,
            draws=settings.weights_steps + 1,
            decay=alpha.weight_decay,
            rule=settings.rule,
        )
        self._open_data()

    @property
    def space(self) -> SearchSpace:
        """The cells and primitives that are searched."""
        return self.supernet.space

    @property
    def observed(self) -> Observed | None:
        """The data that pictures of this search show, if there are some."""
        return self.supernet.observed(self.task)

    def _open_data(self) -> None:
        size, seed, task = self.settings.batch_size, self.seed, self.task
        reading = self.settings.reading()
        self._weights_batches = task.weights.training(
            size, seed_of(seed, "weights"), self.done * self.settings.weights_steps, **reading
        )
        self._architecture_batches = self.settings.architecture_batches(task, seed, self.done)

    def _advance(self) -> Step:
        epoch = self._passes.epoch(self.done)
        weights_batch = next(self._weights_batches).after(self._carried.get("weights"))
        architecture_batch = next(self._architecture_batches).after(
            self._carried.get("architecture")
        )
        of_weights = self.weights_optimizer.param_groups[0]
        scheduled = of_weights["lr"]
        of_weights["lr"] = scheduled * weights_batch.share
        rates = {
            "weights": of_weights["lr"],
            "architecture": self.architecture_optimizer.param_groups[0]["lr"],
        }
        progress = Progress(epoch, self.settings.epochs)
        single = self.settings.method.level == "single"
        self.course.begin(progress)
        with self.course.mixing(progress, self.done, 0):
            slope, on_architecture = self._look(weights_batch, architecture_batch, progress)
        if not single:
            self._move_alphas(slope, on_architecture, epoch)
        # On one level α and w leave the same point, with the same draw.
        on_weights = self._move_weights(weights_batch, progress, 0 if single else 1)
        if single:
            self._move_alphas(slope, on_architecture, epoch)
        for number in range(2, self.settings.weights_steps + 1):
            following = next(self._weights_batches).after(on_weights.carried)
            on_weights = self._move_weights(following, progress, number)
        of_weights["lr"] = scheduled
        measured: Mapping[str, float] = {}
        if self._passes.closed_by(self.done):
            self.scheduler.step()
            measured = self.course.close_epoch(architecture_batch, progress)
            self.ended = self.course.answer is not None

        outcomes = {"weights": on_weights, "architecture": on_architecture}
        self._carried = {split: outcome.carried for split, outcome in outcomes.items()}
        return Step(
            index=self.done,
            epoch=epoch,
            loss={
                split: float(self.supernet.shown_loss(outcome))
                for split, outcome in outcomes.items()
            },
            accuracy={
                split: float(outcome.accuracy)
                for split, outcome in outcomes.items()
                if outcome.accuracy is not None
            },
            learning_rate=rates,
            alphas=_arrays(self.supernet.leading(dict(self.supernet.alphas.items()))),
            mixture=_arrays(self.supernet.leading(self.supernet.mixture())),
            written=self.supernet.written(self.task),
            measured=measured,
            fitted=_arrays(self.supernet.fitted(self.task)),
        )

    def genotype(self) -> Genotype:
        """The genotype of the present α or, where the method's stop answers, of the step that it
        names, by the rule of the settings."""
        answer, rule = self.course.answer, self.settings.rule
        if answer is None:
            return self.supernet.genotype(rule)
        return derive(self.space, {c: a.numpy() for c, a in answer.alphas.items()}, rule)

    def _look(
        self, weights_batch: Any, architecture_batch: Any, progress: Progress
    ) -> tuple[Named | None, Outcome]:
        """∇α, or ``None`` where α rests, and what the architecture batch gives."""
        method, slope, outcome = self.settings.method, None, None
        with self._mixed_precision():
            if method.gate.opens(progress.epoch, self.done):
                batch = weights_batch if method.level == "single" else architecture_batch
                slope, outcome = self.architect.gradient(
                    self.supernet, weights_batch, batch, self.weights_optimizer
                )
            if outcome is None or method.level == "single":
                with torch.no_grad():
                    outcome = detached(trial(self.supernet, architecture_batch))
        self._check("architecture loss", float(outcome.loss), self._advice(), progress.epoch)
        return slope if slope is None else self.course.penalised(slope, progress), outcome

    def _move_alphas(self, slope: Named | None, outcome: Outcome, epoch: int) -> None:
        if slope is not None:
            norm = torch.nn.utils.get_total_norm(slope.values())
            self._check("gradient of α", float(norm), self._advice(), epoch)
            for cell, alpha in self.supernet.alphas.items():
                alpha.grad = slope[cell]
            self.architecture_optimizer.step()
            largest = largest_of(self.supernet.alphas.values())
            self._check("largest α", largest, self._advice(), epoch)
        self.supernet.judged(outcome)

    def _move_weights(self, batch: Any, progress: Progress, number: int) -> Outcome:
        w, epoch = self.supernet.vector(), progress.epoch
        with (
            held(self.supernet.alphas.values()),
            self._mixed_precision(),
            self.supernet.at(w),
            self.course.mixing(progress, self.done, number),
        ):
            seen = self.course.seen(batch, progress, self.done, number)
            outcome = self.supernet.loss(batch, seen)
        self._check("weights loss", float(outcome.loss.detach()), self._advice(), epoch)
        # A loss may know nothing of weights that do not exist.
        slope = torch.autograd.grad(outcome.objective, w)[0] if w.numel() else torch.zeros_like(w)
        restarts = self.supernet.restarts
        alone = None if restarts is None else list(self.supernet.weights().values())
        w.grad, norm = clipped(slope, self.settings.weights.clip, alone)
        self._check("gradient of w", float(norm), self._advice(), epoch)
        self.weights_optimizer.step()
        # A loss need not show it: a function may be finite far out.
        self._check("largest weight", largest_of([w]), self._advice(), epoch)
        self.weights_optimizer.zero_grad()  # Not kept beside what the next pass keeps.
        return detached(outcome)

    def _mixed_precision(self) -> torch.autocast:
        wanted = self.settings.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=wanted, cache_enabled=False)

    def _advice(self) -> str:
        w, alpha = self.settings.weights, self.settings.architecture
        return _ADVICE.format(
            weights=w.learning_rate, architecture=alpha.learning_rate, clip=w.clip
        )

    def _state(self) -> dict[str, Any]:
        return {
            "supernet": self.supernet.registry.pack(),
            "weights_optimizer": self.weights_optimizer.state_dict(),
            "architecture_optimizer": self.architecture_optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "carried": self._carried,
            "course": self.course.state(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        supernet, of_weights = state["supernet"], state["weights_optimizer"]
        if "layout" in supernet:
            self.supernet.registry.unpack(supernet)
        else:  # Up to version 3 each tensor and each weight's momentum stood by itself.
            self.supernet.load_state_dict(supernet)
            of_weights = self._joined(of_weights)
        w, alpha = self.settings.weights, self.settings.architecture
        most = max(w.learning_rate, w.learning_rate_end)
        restore_optimizer(self.weights_optimizer, of_weights, most)
        restore_optimizer(
            self.architecture_optimizer, state["architecture_optimizer"], alpha.learning_rate
        )
        restore_scheduler(self.scheduler, state["scheduler"], self._passes.epoch(self.done))
        # Checkpoints of version 0.1 and before have none: their batches were independent.
        self._carried = {
            split: None if carried is None else carried.to(self.device)
            for split, carried in state.get("carried", {}).items()
        }
        self.course.restore(state.get("course"), self.settings.epochs)
        self.ended = self.course.answer is not None
        self.course.begin(Progress(self._passes.epoch(max(self.done - 1, 0)), self.settings.epochs))
        self._open_data()

    def _examine(self) -> None:
        check_finite([self.supernet.vector(), *self.supernet.alphas.values()], "parameters")
        check_finite(moments(self.weights_optimizer), "momenta")
        check_finite(moments(self.architecture_optimizer), "moments of α")
        moved = self.course.moves([self._passes.epoch(step) for step in range(self.done)])
        for kept in self.architecture_optimizer.state.values():
            whole_number(int(kept["step"]), "number of steps of α", moved, moved)
        if any(carried is not None for carried in self._carried.values()):
            self._try_carried()

    @torch.no_grad()
    def _try_carried(self) -> None:
        """Whether the coming batches can go on from the hidden states."""
        for split, batches in (
            ("weights", self._weights_batches),
            ("architecture", self._architecture_batches),
        ):
            with self.supernet.frozen():
                outcome = self.supernet.loss(next(batches).after(self._carried.get(split)))
            check_finite([outcome.loss], "hidden states")
        self._open_data()

    def _joined(self, state: dict[str, Any]) -> dict[str, Any]:
        """The state of an optimiser of many weights as one of their vector."""
        (group,) = state["param_groups"]
        states = [state["state"].get(number, {}) for number in group["params"]]
        buffers = [own.get("momentum_buffer") for own in states]
        together = {}
        if any(buffer is not None for buffer in buffers):
            pairs = zip(buffers, self.supernet.weights().values(), strict=True)
            known = [torch.zeros_like(w) if buffer is None else buffer for buffer, w in pairs]
            together = {0: {"momentum_buffer": as_vector(known)}}
        return {"state": together, "param_groups": [group | {"params": [0]}]}


def clipped(
    slope: Tensor, clip: float | None, restarts: Sequence[Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """A gradient, one vector, cut to the norm ``clip``; and its norm before.

    Weights whose first axis runs over ``restarts`` are cut for each of these by itself; the norm is
    the largest.
    """
    if restarts:
        rows = torch.cat([part.flatten(1) for part in as_tensors(slope, restarts)], dim=1)
    else:
        rows = slope[None]
    norms = rows.norm(dim=1, keepdim=True)
    if clip is None:
        return slope, norms.max()
    rows = rows * (clip / (norms + 1e-6)).clamp(max=1)
    if restarts:
        sizes = [part[0].numel() for part in restarts]
        rows = as_vector(rows.split(sizes, dim=1))
    return rows.view(-1), norms.max()


def _arrays(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: t.detach().float().cpu().numpy().copy() for name, t in tensors.items()}
