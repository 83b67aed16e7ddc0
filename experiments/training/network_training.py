"""One step of training, for every network: inputs in, maps out, the loss of its own file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from experiments.training.recipe import Recipe, make_optimiser

__all__ = ["Batch", "BatchChange", "NetworkTraining"]

Batch = dict[str, Tensor]
"""The inputs by name, with `true_depth` (B, H, W), metres, 0 where unknown, and `labels`."""

Loss = Callable[[dict[str, Tensor], Tensor, Tensor], Tensor]


class BatchChange(Protocol):
    """A change of a whole batch, such as mixing its pictures."""

    def __call__(self, batch: Batch, *, random: torch.Generator) -> Batch: ...


class NetworkTraining(lightning.LightningModule):
    """A network, its loss and its recipe, as Lightning's trainer wants them.

    Parameters
    ----------
    network
        Called with its inputs in their order; in train mode it gives raw maps by name.
    loss
        Of raw maps, true depth and labels.
    inputs
        The names of the network's inputs among those of a batch.
    changes
        Made to every training batch in turn, on a random stream of (seed, step, number).
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        recipe: Recipe,
        *,
        inputs: Sequence[str],
        steps: int,
        changes: Mapping[str, BatchChange] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self._loss_of = loss
        self._recipe = recipe
        self._inputs = tuple(inputs)
        self._steps = steps
        self._changes = dict(changes or {})
        self._seed = seed

    def training_step(self, batch: Batch, *_: Any) -> Tensor:
        for number, change in enumerate(self._changes.values()):
            seed = np.random.SeedSequence((self._seed, self.global_step, number))
            random = torch.Generator().manual_seed(int(seed.generate_state(1)[0]))
            batch = change(batch, random=random)
        return self._loss(batch)

    def validation_step(self, batch: Batch, *_: Any) -> None:
        # raw maps of train mode, but the running averages of eval mode
        self.log("held_out_loss", self._loss(batch), on_epoch=True, batch_size=1)

    def _loss(self, batch: Batch) -> Tensor:
        inputs = [batch[x].contiguous(memory_format=torch.channels_last) for x in self._inputs]
        maps = {name: x.float() for name, x in self.network(*inputs).items()}
        # in float32: sums over many pixels
        with torch.autocast(batch["labels"].device.type, enabled=False):
            return self._loss_of(maps, batch["true_depth"], batch["labels"])

    def configure_optimizers(self) -> Any:
        return make_optimiser(self.network, self._recipe, steps=self._steps)
