"""Runner: one batch under every condition, reduced to rows on the device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import chain
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import Batch, DataFacts
from influence.engine.faults import Faults
from influence.engine.forward import Forward, PlainForward, TriedForward
from influence.engine.memory_format import lay_out, suits_channels_last, with_layout
from influence.engine.reduction import Reduction
from influence.engine.sharing.shared_forward import SharedForward, share
from influence.engine.taps import Tapped, tap_network
from influence.engine.trial import Trial, trial_size, try_network
from influence.metrics.metric import Metric
from influence.metrics.slices import Slicing
from influence.metrics.stateful import StatefulMetric
from influence.mutes.batch_inputs import Signals
from influence.mutes.mute import Mute
from influence.network.joint_network import JointNetwork, Modality
from influence.network.sites import check_samples_first
from influence.plan.conditions import Condition
from influence.plan.setups import FULL
from influence.statistics.features import FEATURES, chosen_samples, is_place
from influence.statistics.rows import RowKey, StatefulValues

__all__ = ["Runner"]

Array = NDArray[np.float64]
Tensors = dict[RowKey, Tensor]


class Runner:
    """Runs the conditions on one batch after the other and reduces predictions to rows.

    Parameters
    ----------
    network, conditions
        What is run, and how: the full condition first.
    data
        What is known of the samples.
    modalities
        The facts of the inputs, with the moments that the mutes need.
    mutes, metrics
        The mutes by name; the metrics of each output to score.
    stateful, slices
        The metrics of each output that keep their own state; by what its places are divided.
    device, amp, seed
        Where, in which mixed precision, and with which seed.
    compiled, channels_last
        Whether the network is compiled, and whether maps are kept with their channels last;
        `None` where that suits it.
    meeting, stride
        Where features are looked at, and of which samples; see `influence.statistics.features`.
    notes
        What the user has to know of where the moments come from.
    """

    def __init__(
        self,
        network: JointNetwork,
        data: DataFacts,
        conditions: Sequence[Condition],
        *,
        modalities: Mapping[str, Modality],
        mutes: Mapping[str, Mute],
        metrics: Mapping[str, Sequence[Metric]],
        stateful: Mapping[str, Sequence[StatefulMetric]] = MappingProxyType({}),
        slices: Mapping[str, Sequence[Slicing]] = MappingProxyType({}),
        device: torch.device,
        amp: torch.dtype | None = None,
        seed: int = 0,
        compiled: bool = False,
        channels_last: bool | None = None,
        meeting: str = "off",
        stride: int = 1,
        notes: Sequence[str] = (),
    ) -> None:
        self.network, self.conditions = network, conditions
        self.faults = Faults(network.name, data.source)
        self.modalities, self.mutes, self.metrics = dict(modalities), mutes, metrics
        self.device, self.amp, self.seed = device, amp, seed
        self.compiled, self.wanted_layout, self.channels_last = compiled, channels_last, False
        outputs = {o.name: o for o in network.outputs}
        self.scoring = Reduction(outputs, data, metrics, stateful, slices, device)
        self.notes = [*notes, *self.scoring.notes()]
        if network.module.training and not isinstance(network.module, torch.fx.GraphModule):
            self.notes.append("the network came in training mode and was set to evaluation mode")
        network.to(device)
        weights = chain(network.module.parameters(), network.module.buffers())
        known = (torch.float32, torch.float64)
        self.dtype = next((w.dtype for w in weights if w.dtype in known), torch.float32)
        self.meeting, self.stride = meeting, stride
        self.plain = PlainForward(network, conditions, self._precision, meeting=meeting)
        self.forward: Forward = self.plain
        self._shared: SharedForward | None = None

    def _precision(self) -> AbstractContextManager[object]:
        if self.amp is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.amp)

    def row_keys(self) -> list[RowKey]:
        """List what there is a row for: each condition, output and statistic."""
        return self.scoring.row_keys(self.conditions)

    def scores(self) -> StatefulValues:
        """Return the values of the metrics that keep their own state, of all batches so far."""
        return self.scoring.scores()

    @torch.inference_mode()
    def see_edges(self, batches: Iterable[Batch]) -> list[Mapping[str, Tensor]]:
        """Return for each batch what flows along the edges with nothing muted."""
        run: Tapped | None = None
        seen: list[Mapping[str, Tensor]] = []
        for batch in batches:
            signals = self._signals(batch, None)
            run = run or tap_network(self.network, signals, self.plain.edges, "off")
            with self._precision():
                seen.append(run(signals.clean, {})[1])
            for point, values in seen[-1].items():
                check_samples_first(point, values, len(batch))
        return seen

    def learn(self, modalities: Mapping[str, Modality], note: str) -> None:
        """Take in facts of sites, and a note that says where they come from."""
        self.modalities |= modalities
        self.notes.append(note)

    @torch.inference_mode()
    def try_out(
        self, batch: Batch, follower: Mapping[str, Tensor] | None, *, samples: int | None,
        wanted: bool,
    ) -> Trial:  # fmt: skip
        """Find out on the first samples of a batch whether work can be shared."""
        suits = suits_channels_last(self.network.module, self.device, mixed=self.amp is not None)
        first = suits if self.wanted_layout is None else self.wanted_layout
        # `view` refuses some maps with their channels last: those networks get them as usual.
        for layout in dict.fromkeys([first, False]):
            self._lay_out(layout)
            count = trial_size(samples, len(batch), len(self.conditions))
            signals = self._signals(batch, follower).head(count)
            trial, self._shared = try_network(
                self.network,
                signals,
                self.conditions,
                samples=samples,
                wanted=wanted,
                meeting=self.meeting,
            )
            if trial.runs:
                break
        return replace(trial, channels_last=layout)

    @torch.inference_mode()
    def prepare(self, trial: Trial, batch: Batch, follower: Mapping[str, Tensor] | None) -> None:
        """Choose the way in which batches are run, after a trial here or in another process."""
        self.notes += trial.notes
        self._lay_out(trial.channels_last)
        if trial.shared:
            signals = self._signals(batch, follower).head(2)
            shared = self._shared or share(
                self.network, signals, self.conditions, meeting=self.meeting
            )
            self.forward = TriedForward(
                shared.within(self._precision), self.plain, self.notes.append
            )
        if self.compiled:
            self.forward.compile()

    @torch.inference_mode()
    def run(self, batch: Batch, follower: Mapping[str, Tensor] | None) -> dict[RowKey, Array]:
        """Return the rows of one batch."""
        signals = self._signals(batch, follower)
        rows, finite, features = self._reduce(batch, signals)
        table, (found, flags, seen) = _to_host([rows, finite, features])
        for key, values in flags.items():
            self.faults.check_outputs(batch, key, values[:, 0] > 0)
        if not np.isfinite(table).all():
            self.faults.check_rows(batch, found)
        for key, values in found.items():
            if key.condition.setup == FULL and key.level == "all":
                statistics = {s.name: s for s in self.scoring.statistics(key.output)}
                self.faults.check_truth(batch, key, statistics[key.statistic], values)
        chosen = chosen_samples(batch.indices, self.stride)
        return found | {key: values[chosen] for key, values in seen.items()}

    def _reduce(self, batch: Batch, signals: Signals) -> tuple[Tensors, Tensors, Tensors]:
        """Return the rows, which samples' outputs are finite, and the features, on the device."""
        scoring = self.scoring.of_batch(batch)
        rows: Tensors = {}
        finite: Tensors = {}
        features: Tensors = {}
        passes = self.forward(signals)
        for _ in self.conditions:
            try:
                condition, outputs = next(passes)
            except Exception as error:
                absent = any(mute.absent for mute in self.mutes.values())
                raise self.faults.of_forward(signals, error, absent=absent) from error
            for name in self.metrics:
                values = outputs[name]
                known = values.isfinite().reshape(len(batch), -1).all(dim=1, keepdim=True)
                finite[RowKey(condition, name, "finite")] = known.double()
                rows.update(scoring.reduce(condition, name, values))
            for name in filter(is_place, outputs):
                features[RowKey(condition, name, FEATURES)] = outputs[name].double()
            del outputs, values  # before the next condition asks for memory
        return rows, finite, features

    def _lay_out(self, channels_last: bool) -> None:
        lay_out(self.network.module, channels_last=channels_last)
        self.channels_last = channels_last

    def _signals(self, batch: Batch, follower: Mapping[str, Tensor] | None) -> Signals:
        clean = {
            n: batch.inputs[n].to(self.device, self.dtype, non_blocking=True)
            for n in (m.name for m in self.network.inputs)
        }
        clean = {n: with_layout(x, channels_last=self.channels_last) for n, x in clean.items()}
        return Signals(
            clean,
            batch.indices,
            self.modalities,
            self.mutes,
            follower,
            self.seed,
            batch.partners,
        )


def _to_host(groups: Sequence[Tensors]) -> tuple[Array, list[dict[RowKey, Array]]]:
    """Copy tensors (samples, k) at once: the only time that the host waits for the device."""
    columns = [values for group in groups for values in group.values()]
    table = torch.cat(columns, dim=1).cpu().numpy()
    ends = np.cumsum([column.shape[1] for column in columns])[:-1]
    parts = iter(np.split(table, ends, axis=1))
    return table, [{key: next(parts) for key in group} for group in groups]
