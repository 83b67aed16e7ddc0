"""Runner: runs one network under every condition of its plan, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import Batch, DataFacts
from influence.engine.forward import (
    Forward,
    PlainForward,
    TriedForward,
    lay_out,
    suits_channels_last,
)
from influence.engine.reduction import Reduction
from influence.engine.sharing.shared_forward import SharedForward, share
from influence.engine.taps import Tapped, tap_network
from influence.engine.trial import Trial, trial_size, try_network
from influence.mutes.mute import BatchInputs
from influence.network.joint_network import JointNetwork, Modality
from influence.network.sites import check_samples_first
from influence.plan.plan import Plan
from influence.runtime.execution import AMP, Execution, choose_device
from influence.statistics.rows import RowKey, StatefulValues

__all__ = ["Runner"]

Array = NDArray[np.float64]
Precision = Callable[[], AbstractContextManager[object]]


class Runner:
    """Runs a network under every condition of its plan, and reduces its predictions to rows.

    Parameters
    ----------
    network, plan
        The network, and its sites, mutes and metrics.
    data
        The facts of the data.
    execution
        Device, precision, memory format.
    modalities
        The facts of the inputs, with the moments that the mutes need.
    notes
        Messages for the user about the origin of the moments.
    """

    def __init__(
        self,
        network: JointNetwork,
        plan: Plan,
        data: DataFacts,
        execution: Execution,
        *,
        modalities: Mapping[str, Modality],
        notes: Sequence[str] = (),
    ) -> None:
        self.network, self.plan, self.data, self.execution = network, plan, data, execution
        self.conditions = plan.conditions(network)
        self.mutes = {mute.name: mute for mute in plan.mutes}
        self.modalities = dict(modalities)
        self.device, self.memory_format = choose_device(execution.device), torch.contiguous_format
        self.reduction = Reduction(network, data, plan, self.device)
        self.notes = [*notes, *self.reduction.notes()]
        if network.module.training and not isinstance(network.module, torch.fx.GraphModule):
            self.notes.append("the network came in training mode and was set to evaluation mode")
        network.to(self.device)
        weights = chain(network.module.parameters(), network.module.buffers())
        known = (torch.float32, torch.float64)
        self.dtype = next((w.dtype for w in weights if w.dtype in known), torch.float32)
        amp = AMP[execution.amp]
        self.precision: Precision = (
            partial(torch.autocast, self.device.type, dtype=amp) if amp else nullcontext
        )
        self.plain = PlainForward(network, self.conditions, self.precision, meeting=plan.meeting)
        self.forward: Forward = self.plain
        self._shared: SharedForward | None = None

    def row_keys(self) -> list[RowKey]:
        """List the keys of all rows, for each condition, output, level and statistic."""
        return self.reduction.row_keys(self.conditions)

    def stateful_values(self) -> StatefulValues:
        """Return the values of the metrics that keep their own state, over all batches so far."""
        return self.reduction.stateful_values()

    @torch.inference_mode()
    def see_edges(self, batches: Iterable[Batch]) -> list[Mapping[str, Tensor]]:
        """Return for each batch the tensors on the edges, computed with nothing muted."""
        run: Tapped | None = None
        seen: list[Mapping[str, Tensor]] = []
        for batch in batches:
            signals = self._signals(batch, None)
            run = run or tap_network(self.network, signals, self.plain.edges, "off")
            with self.precision():
                seen.append(run(signals.clean, {})[1])
            for point, values in seen[-1].items():
                check_samples_first(point, values, len(batch))
        return seen

    def learn(self, modalities: Mapping[str, Modality], note: str) -> None:
        """Add the moments of sites, with a note on their origin."""
        self.modalities |= modalities
        self.notes.append(note)

    @torch.inference_mode()
    def try_out(
        self, batch: Batch, follower: Mapping[str, Tensor] | None, *, samples: int | None,
        wanted: bool,
    ) -> Trial:  # fmt: skip
        """Try the network on the first samples of a batch, to choose how it is run.

        Parameters
        ----------
        batch, follower
            The first batch, with the inputs of the partner of its last sample.
        samples
            The number of samples that will be run; `None` if it is unknown.
        wanted
            Whether to share work between conditions if possible.
        """
        mixed = self.execution.amp != "off"
        suits = suits_channels_last(self.network.module, self.device, mixed=mixed)
        asked = self.execution.channels_last
        # Networks in which `view` fails on maps with channels last get them in the usual format.
        for layout in dict.fromkeys([suits if asked is None else asked, False]):
            self._lay_out(layout)
            count = trial_size(samples, len(batch), len(self.conditions))
            trial, self._shared = try_network(
                self.network,
                self._signals(batch, follower).head(count),
                self.conditions,
                samples=samples,
                wanted=wanted,
                meeting=self.plan.meeting,
            )
            if trial.runs:
                break
        return replace(trial, channels_last=layout)

    @torch.inference_mode()
    def prepare(self, trial: Trial, batch: Batch, follower: Mapping[str, Tensor] | None) -> None:
        """Set how batches are run, after a trial in this or in another process."""
        self.notes += trial.notes
        self._lay_out(trial.channels_last)
        if trial.shared:
            signals = self._signals(batch, follower).head(2)
            shared = self._shared or share(
                self.network, signals, self.conditions, meeting=self.plan.meeting
            )
            self.forward = TriedForward(
                shared.within(self.precision), self.plain, self.notes.append
            )
        if self.execution.compile:
            self.forward.compile()

    @torch.inference_mode()
    def run(self, batch: Batch, follower: Mapping[str, Tensor] | None) -> dict[RowKey, Array]:
        """Compute the rows and features of one batch under every condition."""
        return self.reduction.rows(batch, self.forward(self._signals(batch, follower)))

    def _lay_out(self, channels_last: bool) -> None:
        lay_out(self.network.module, channels_last=channels_last)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def _signals(self, batch: Batch, follower: Mapping[str, Tensor] | None) -> BatchInputs:
        clean = {}
        for modality in self.network.inputs:
            values = batch.inputs[modality.name].to(self.device, self.dtype, non_blocking=True)
            maps = values.ndim == 4
            clean[modality.name] = (
                values.contiguous(memory_format=self.memory_format) if maps else values
            )
        return BatchInputs(
            clean,
            batch.indices,
            self.modalities,
            self.mutes,
            follower,
            self.plan.seed,
            batch.partners,
        )
