"""One step of training, for every network: inputs in, raw maps out, the loss of its own file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from experiments.training.recipe import Recipe, make_optimiser

__all__ = ["Batch", "BatchChange", "Loss", "NetworkTraining"]

Batch = dict[str, Tensor]
"""The inputs by name, with `true_depth` (B, H, W), metres, 0 where unknown, and `labels`."""

Loss = Callable[[dict[str, Tensor], Tensor, Tensor], Tensor]
"""Of raw maps, true depth and labels."""


class BatchChange(Protocol):
    """A change of a whole batch, such as mixing its pictures."""

    def __call__(self, batch: Batch, *, random: torch.Generator) -> Batch: ...


class NetworkTraining(lightning.LightningModule):
    """A network, its loss and its recipe, as Lightning's trainer wants them.

    Parameters
    ----------
    network
        Its method ``raw`` takes the inputs in their order and gives raw maps by name, in train
        mode and in eval mode, so that the held-out loss is that of the network to be measured.
    loss
        Mean over the batch.
    inputs
        The names of the network's inputs among those of a batch.
    changes
        Made to every training batch in turn, each on a random stream of its own for every step
        and device.
    seed
        Of all that is random.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        recipe: Recipe,
        *,
        inputs: Sequence[str],
        changes: Sequence[BatchChange] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe = recipe
        self.seed = seed
        self._loss_of = loss
        self._inputs = tuple(inputs)
        self._changes = tuple(changes)

    def training_step(self, batch: Batch, *_: Any) -> Tensor:
        for number, change in enumerate(self._changes):
            random = torch.Generator().manual_seed(self._random(number))
            batch = change(batch, random=random)
        torch.manual_seed(self._random(len(self._changes)))  # dropout, the same in a resumed run
        return self._loss(batch)

    def validation_step(self, batch: Batch, *_: Any) -> None:
        # every device watches all held-out samples
        self.log("held_out_loss", self._loss(batch), on_epoch=True, batch_size=1, sync_dist=True)

    def configure_optimizers(self) -> Any:
        steps = int(self.trainer.estimated_stepping_batches)
        return make_optimiser(self.network, self.recipe, steps=steps)

    def _loss(self, batch: Batch) -> Tensor:
        inputs = [batch[x].contiguous(memory_format=torch.channels_last) for x in self._inputs]
        maps = {name: x.float() for name, x in self.network.raw(*inputs).items()}
        # in float32: sums over many pixels
        with torch.autocast(batch["labels"].device.type, enabled=False):
            return self._loss_of(maps, batch["true_depth"], batch["labels"])

    def _random(self, number: int) -> int:
        words = np.random.SeedSequence((self.seed, self.global_step, number, self.global_rank))
        return int(words.generate_state(1)[0])
