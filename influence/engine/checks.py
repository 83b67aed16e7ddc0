"""Checks of what networks return, and explanations of why one fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError, said
from influence.metrics.metric import Statistic
from influence.mutes.mute import Mute
from influence.plan.setups import Condition
from influence.statistics.rows import RowKey

__all__ = ["RowChecks", "explain_failure"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RowChecks:
    """Checks that rows are finite and have ground truth; the errors name the sample.

    Parameters
    ----------
    network, source
        The names of the network and of the data.
    ids
        The names of the samples of the batch.
    """

    network: str
    source: str
    ids: Sequence[str]

    def check_outputs(self, finite: Mapping[RowKey, Array]) -> None:
        """Raise InfluenceError if `finite` (samples, 1) is not 1; see `metrics.kinds.faults`."""
        for key, flags in finite.items():
            for i in np.flatnonzero(flags[:, 0] < 0)[:1]:
                raise InfluenceError(
                    f"network {self.network!r} returned minus infinity in output {key.output!r} "
                    f"for sample {self.ids[int(i)]!r} of {self.source} under {key.condition}. It "
                    "may stand for a class that is ruled out, in logits of which some are finite: "
                    "declare the output's kind 'logits', and leave a class for each element"
                )
            for i in np.flatnonzero(flags[:, 0] == 0)[:1]:
                raise InfluenceError(
                    f"network {self.network!r} returned NaN or infinity in output {key.output!r} "
                    f"for sample {self.ids[int(i)]!r} of {self.source} under {key.condition}. Look "
                    "for NaN in that sample's inputs, or for a division or logarithm in the network"
                )

    def check_rows(self, rows: Mapping[RowKey, Array]) -> None:
        """Raise InfluenceError if a statistic is NaN or infinite."""
        for key, values in rows.items():
            for i in np.flatnonzero(~np.isfinite(values).all(axis=1))[:1]:
                if key.statistic in ("likelihood", "kl_divergence"):
                    raise InfluenceError(
                        f"{self.source}: {key.statistic!r} of output {key.output!r} is infinite "
                        f"for sample {self.ids[int(i)]!r} under {key.condition}: the network rules "
                        "out, by a logit of minus infinity, a class that is true or was predicted. "
                        "Leave the metric out, or declare such labels as 'ignore'"
                    )
                raise InfluenceError(
                    f"{self.source}: the statistic {key.statistic!r} of output {key.output!r} is "
                    f"NaN or infinite for sample {self.ids[int(i)]!r} under {key.condition}. A "
                    "function that returns one number a sample has to leave out pixels without "
                    "ground truth itself (-1 or NaN)"
                )

    def check_truth(self, key: RowKey, statistic: Statistic, rows: Array) -> None:
        """Raise InfluenceError if a sample has no pixel or value with valid ground truth."""
        if statistic.against == "full":
            return
        for i in np.flatnonzero(~(statistic.valid(rows) > 0))[:1]:
            raise InfluenceError(
                f"{self.source}: sample {self.ids[int(i)]!r} has no valid ground truth in "
                f"targets/{key.output}. Leave the sample out, or correct the attributes 'ignore' "
                f"and 'range'; if samples may have none, declare it: Output({key.output!r}, "
                "ignore=...)"
            )


def explain_failure(
    error: Exception,
    network: str,
    source: str,
    inputs: Mapping[str, Any],
    mutes: Sequence[Mute],
) -> InfluenceError:
    """Return an error that gives the likely cause of a failed forward pass, and a remedy.

    Parameters
    ----------
    error
        The exception that was raised. Its attribute `condition`, if it has one, is the condition
        under which the network ran.
    network, source
        The names of the network and of the data.
    inputs
        The inputs of the batch.
    mutes
        The mutes of the run.
    """
    condition: Condition | None = getattr(error, "condition", None)
    shown = {name: _describe(values) for name, values in inputs.items()}
    under = f" under {condition}" if condition and condition.setup else ""
    return InfluenceError(
        f"network {network!r} failed{under} on inputs {shown} from {source}: "
        f"{said(error)[:500]}. "
        f"{_remedy(error, condition, inputs, {mute.name: mute for mute in mutes})}"
    )


def _describe(values: Any) -> str:
    if isinstance(values, Tensor):
        return f"{tuple(values.shape)} {str(values.dtype).removeprefix('torch.')}"
    return f"{len(values)} entries" if isinstance(values, list) else type(values).__name__


def _remedy(
    error: Exception,
    condition: Condition | None,
    inputs: Mapping[str, Any],
    mutes: Mapping[str, Mute],
) -> str:
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return "Take a smaller batch_size"
    if any(mute.absent for mute in mutes.values()):
        return "The mute 'absent' shows None in place of an input: does the network accept it?"
    if condition and condition.setup:
        return (
            f"With nothing muted it runs, so it does not accept what {condition.mute!r} puts in "
            f"the place of {', '.join(sorted(condition.setup))}. Take another mute, or declare "
            "what the input holds: Modality(kind=..., pad=..., keep=...)"
        )
    whole = [n for n, x in inputs.items() if isinstance(x, Tensor) and not x.is_floating_point()]
    if whole and any(word in str(error) for word in ("dtype", "type", "Half", "Float", "Byte")):
        return (
            f"Inputs keep the type in which they are given, and {', '.join(whole)} hold no "
            "floating-point numbers. Give what the network takes, such as x.float() / 255"
        )
    return (
        "Check that the file's inputs have the shapes that the network was built for, and that it "
        "takes batches of any size"
    )
