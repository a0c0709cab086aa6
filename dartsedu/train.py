"""A discrete network trained from scratch, as a stream of the same steps (DARTS §3.2, A.1.2)."""

from __future__ import annotations

from typing import Any

import torch

from dartsedu.cnn.network import CNNNetwork
from dartsedu.presets import TrainSettings
from dartsedu.splits import Split
from dartsedu.stream import Step, Stream, seed_of
from dartsedu.tasks import Task

_ADVICE = (
    "Try a tenth of train.weights.learning_rate (now {rate:g}), or train.weights.clip=5 "
    "(now {clip})."
)


class Training(Stream):
    """Training of a network on ``weights`` and ``architecture`` together, a batch a step.

    ``test()`` is the only thing here that reads the test split; call it once, at the end.

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
        network: CNNNetwork,
        task: Task,
        settings: TrainSettings,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.steps_per_epoch = task.training.batches(settings.batch_size)
        identity = settings.model_dump_json(exclude={"seeds", "random_cells", "checkpoint_every"})
        total = settings.epochs * self.steps_per_epoch
        super().__init__(identity, total, seed, torch.device(device))
        self.settings = settings
        self.network = network.to(self.device)
        self.task = task.to(self.device)
        w = settings.weights
        self.optimizer = torch.optim.SGD(
            network.parameters(),
            lr=w.learning_rate,
            momentum=w.momentum,
            weight_decay=w.weight_decay,
        )
        self.scheduler: torch.optim.lr_scheduler.LRScheduler
        if settings.schedule == "exponential":
            self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, settings.decay)
        else:
            self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
                self.optimizer, settings.epochs, w.learning_rate_end
            )
        self._open_data()

    def _open_data(self) -> None:
        self._batches = self.task.training.training(
            self.settings.batch_size,
            seed_of(self.seed, "training"),
            self.done,
            self.settings.cutout,
        )

    def _advance(self) -> Step:
        settings = self.settings
        epoch = self.done // self.steps_per_epoch
        rate = self.optimizer.param_groups[0]["lr"]
        self.network.train()
        self.network.drop = settings.drop_path * epoch / settings.epochs
        outcome = self.network.loss(
            next(self._batches), settings.label_smoothing, settings.auxiliary_weight
        )
        advice = _ADVICE.format(rate=settings.weights.learning_rate, clip=settings.weights.clip)
        loss = self._check("training loss", float(outcome.loss.detach()), advice, epoch)
        self.optimizer.zero_grad()
        outcome.loss.backward()
        clip = settings.weights.clip
        norm = torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), float("inf") if clip is None else clip
        )
        self._check("gradient of w", float(norm), advice, epoch)
        self.optimizer.step()
        if (self.done + 1) % self.steps_per_epoch == 0:
            self.scheduler.step()
        assert outcome.accuracy is not None
        return Step(
            index=self.done,
            epoch=epoch,
            loss={"training": loss},
            accuracy={"training": float(outcome.accuracy)},
            learning_rate={"weights": rate},
        )

    def test(self) -> float:
        """Accuracy on the test split, 0…1, in evaluation mode."""
        return evaluate(self.network, self.task.test)

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self._open_data()


@torch.no_grad()
def evaluate(network: CNNNetwork, split: Split, batch_size: int = 256) -> float:
    """Accuracy of ``network`` on a whole split, 0…1, in evaluation mode."""
    training = network.training
    network.eval()
    try:
        correct = 0
        for batch in split.once(batch_size):
            correct += int((network(batch.inputs).argmax(dim=1) == batch.targets).sum())
    finally:
        network.train(training)
    return correct / len(split)
