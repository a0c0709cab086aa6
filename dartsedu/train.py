"""A discrete network trained from scratch, as a stream of the same steps (DARTS §3.2, A.1.2)."""

from __future__ import annotations

from math import log
from typing import Any

import torch

from dartsedu.base.packing import largest_of
from dartsedu.data.splits import Passes, Split
from dartsedu.data.task import Task
from dartsedu.network import Network
from dartsedu.settings import TrainSettings
from dartsedu.stream.averaging import Averaging
from dartsedu.stream.checkpoint import (
    check_finite,
    moments,
    restore_optimizer,
    restore_scheduler,
    whole_number,
)
from dartsedu.stream.stream import Step, Stream, seed_of

_ADVICE = (
    "Try a tenth of train.weights.learning_rate (now {rate:g}), or train.weights.clip=5 "
    "(now {clip})."
)


class Training(Stream):
    """Training of a network on a task's ``training`` split, a batch a step.

    A language model looks at the ``architecture`` split after each epoch, averages its weights by
    the non-monotone rule, and is in the end the best of its epochs. ``test()`` is the only thing
    here that reads the test split; call it once, at the end.

    Args:
        network: trained in place.
        task: gives the splits; moved to ``device`` with the network.
        settings: optimiser, schedule, regularisation.
        seed: of the order of the data, its augmentation and random masks.
        device: where to run.
    """

    kind = "training"

    def __init__(
        self,
        network: Network,
        task: Task,
        settings: TrainSettings,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self._passes = Passes(
            task.training.passes(
                settings.batch_size,
                seed_of(seed, "training"),
                settings.epochs,
                **settings.reading(),
            )
        )
        super().__init__(
            settings.identity, self._passes.total, seed, torch.device(device), task.fingerprint
        )
        self.settings = settings
        self.network = network.to(self.device)
        self.task = task.to(self.device)
        self.optimizer = settings.optimizer(network.parameters())
        self.scheduler = settings.scheduler(self.optimizer)
        self.averaging = settings.averaging(self.network)
        self._rate_before = 0.0
        self._carried: torch.Tensor | None = None
        self._open_data()

    def _open_data(self) -> None:
        self._batches = self.task.training.training(
            self.settings.batch_size,
            seed_of(self.seed, "training"),
            self.done,
            **self.settings.reading(),
        )

    def _advance(self) -> Step:
        settings = self.settings
        epoch = self._passes.epoch(self.done)
        batch = next(self._batches).after(self._carried)
        group = self.optimizer.param_groups[0]
        scheduled = group["lr"]
        own = scheduled * batch.share
        late = settings.rate_is_late(self.averaging)
        rate = group["lr"] = self._rate_before if late else own
        self._rate_before = own
        self.network.train()
        outcome = self.network.train_loss(batch, settings, epoch)
        advice = _ADVICE.format(rate=settings.weights.learning_rate, clip=settings.weights.clip)
        loss = {
            "training": self._check("training loss", float(outcome.loss.detach()), advice, epoch)
        }
        self.optimizer.zero_grad()
        outcome.objective.backward()
        clip = settings.weights.clip
        norm = torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), float("inf") if clip is None else clip
        )
        self._check("gradient of w", float(norm), advice, epoch)
        self.optimizer.step()
        largest = largest_of(self.network.parameters())
        self._check("largest weight", largest, advice, epoch)
        group["lr"] = scheduled
        self._carried = outcome.carried
        if self.averaging is not None:
            self.averaging.after_step()
        if self._passes.closed_by(self.done):
            self.scheduler.step()
            if self.averaging is not None:
                judged = self._judge(self.averaging)
                loss["validation"] = self._check("validation loss", judged, advice, epoch)
        return Step(
            index=self.done,
            epoch=epoch,
            loss=loss,
            accuracy=({} if outcome.accuracy is None else {"training": float(outcome.accuracy)}),
            learning_rate={"weights": rate},
        )

    def _judge(self, averaging: Averaging) -> float:
        """The validation loss of the epoch; after the last one the network becomes the best."""
        judged = averaging.judged
        assert isinstance(judged, Network)
        # An infinite perplexity stands for any loss from 700 on; recordings hold finite numbers.
        loss = min(log(judged.score(self.task.architecture)), 700.0)
        averaging.after_epoch(loss)
        if self.done + 1 == self.total:
            self.network.load_state_dict(averaging.best)
        return loss

    def test(self) -> float:
        """Accuracy, 0…1, or perplexity on the test split, in evaluation mode."""
        return evaluate(self.network, self.task.test, self.settings.test_batch)

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "carried": self._carried,
            "averaging": None if self.averaging is None else self.averaging.state_dict(),
            "rate_before": self._rate_before,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        w = self.settings.weights
        most = max(w.learning_rate, w.learning_rate_end)
        restore_optimizer(self.optimizer, state["optimizer"], most)
        restore_scheduler(self.scheduler, state["scheduler"], self._passes.epoch(self.done))
        self._rate_before = float(state.get("rate_before", 0.0))  # Absent before.
        carried = state.get("carried")
        self._carried = None if carried is None else carried.to(self.device)
        if self.averaging is not None:
            self.averaging.load_state_dict(state["averaging"])
        self._open_data()

    def _examine(self) -> None:
        check_finite(self.network.parameters(), "parameters")
        check_finite(moments(self.optimizer), "momenta")
        if self.averaging is not None:
            epoch = self._passes.epoch(self.done)
            whole_number(len(self.averaging.losses), "number of judged epochs", epoch, epoch)
            check_finite(self.averaging.judged.parameters(), "averaged parameters")
        if self._carried is not None:
            self._try_carried(self._carried)

    @torch.no_grad()
    def _try_carried(self, carried: torch.Tensor) -> None:
        """Whether the coming batch can go on from the hidden state."""
        batch = next(self._batches).after(carried)
        self.network.eval()
        outcome = self.network.train_loss(batch, self.settings, self._passes.epoch(self.done))
        self.network.train()
        check_finite([outcome.loss], "hidden state")
        self._open_data()


def evaluate(network: Network, split: Split, batch_size: int | None = None) -> float:
    """Accuracy of ``network``, 0…1, or perplexity on a whole split, in evaluation mode.

    ``batch_size`` defaults to the split's own.
    """
    return network.score(split, batch_size)
