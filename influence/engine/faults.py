"""Faults: what is wrong where a network fails, or what it returns cannot be measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from influence.data.dataset import Batch
from influence.errors import InfluenceError
from influence.metrics.metric import Statistic
from influence.mutes.mute import BatchInputs
from influence.statistics.rows import RowKey

__all__ = ["Faults"]


@dataclass(frozen=True)
class Faults:
    """Tells of the faults of a network on some data; messages name the sample.

    Parameters
    ----------
    network
        Its name.
    source
        Where the data are.
    """

    network: str
    source: str

    def of_forward(self, signals: BatchInputs, error: Exception, *, absent: bool) -> InfluenceError:
        """Say why a forward pass may have failed; `absent` where None took the place of inputs."""
        if isinstance(error, InfluenceError):
            return error
        shapes = {n: tuple(x.shape) for n, x in signals.clean.items()}
        if isinstance(error, torch.OutOfMemoryError):
            remedy = "Take a smaller batch size"
        elif absent:
            remedy = (
                "The mute 'absent' shows None in place of an input: does the network accept it?"
            )
        else:
            remedy = (
                "Check that the file's inputs have the shapes that the network was built for, "
                "and that it takes batches of any size"
            )
        return InfluenceError(
            f"network {self.network!r} failed on inputs of shape {shapes} from {self.source}: "
            f"{type(error).__name__}: {str(error).strip()[:500]}. {remedy}"
        )

    def check_outputs(self, batch: Batch, key: RowKey, finite: NDArray[np.bool_]) -> None:
        """Raise InfluenceError if an output is not finite for each sample of a batch."""
        for i in np.flatnonzero(~finite)[:1]:
            raise InfluenceError(
                f"network {self.network!r} returned NaN or infinity in output {key.output!r} for "
                f"sample {batch.ids[int(i)]!r} of {self.source} under {key.condition}. Look for "
                "NaN in that sample's inputs, or for a division or logarithm in the network"
            )

    def check_rows(self, batch: Batch, rows: Mapping[RowKey, NDArray[np.float64]]) -> None:
        """Raise InfluenceError for a statistic that is NaN or infinite."""
        for key, values in rows.items():
            for i in np.flatnonzero(~np.isfinite(values).all(axis=1))[:1]:
                raise InfluenceError(
                    f"{self.source}: what {key.output!r} is scored by ({key.statistic}) is NaN or "
                    f"infinite for sample {batch.ids[int(i)]!r} under {key.condition}. A function "
                    "that returns one number a sample has to leave out the places without ground "
                    "truth itself (-1 or NaN)"
                )

    def check_truth(
        self, batch: Batch, key: RowKey, statistic: Statistic, rows: NDArray[np.float64]
    ) -> None:
        """Raise InfluenceError if a sample has no place with ground truth."""
        if statistic.against == "full":
            return
        for i in np.flatnonzero(~(statistic.valid(rows) > 0))[:1]:
            raise InfluenceError(
                f"{self.source}: sample {batch.ids[int(i)]!r} has no valid ground truth in "
                f"targets/{key.output}. Leave the sample out, or correct the attributes 'ignore' "
                "and 'range'"
            )
