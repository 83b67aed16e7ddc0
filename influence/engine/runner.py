"""Runner: runs one network under every condition of its plan, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import Batch, DataFacts
from influence.data.loader import Follower
from influence.engine.forward import (
    Forward,
    PlainForward,
    ReusingForward,
    TriedForward,
    lay_out,
    suits_channels_last,
)
from influence.engine.reduction import Reduction
from influence.engine.sharing.shared_forward import SharedForward, share
from influence.engine.taps import Tapped, tap_network
from influence.engine.trial import Probe, Trial, guard, probe_network, trial_size, try_network
from influence.errors import InfluenceError
from influence.mutes.batch_inputs import BatchInputs
from influence.network.joint_network import JointNetwork, Modality
from influence.network.sites import check_samples_first
from influence.plan.plan import Plan
from influence.plan.setups import FULL
from influence.runtime.execution import AMP, Execution, choose_device
from influence.runtime.values import cast, is_batched
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
        self.dtype = network.dtype
        self.doubles: tuple[str, ...] = ()
        amp = AMP[execution.amp]
        self.precision: Precision = (
            partial(torch.autocast, self.device.type, dtype=amp) if amp else nullcontext
        )
        self.plain = PlainForward(network, self.conditions, self.precision, meeting=plan.meeting)
        self.forward: Forward = self.plain
        self.probe: Probe | None = None
        self.trial = Trial(shared=False)
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

    def examine(self, batch: Batch, samples: int | None) -> Probe:
        """See on the first samples of a batch how the network behaves.

        Parameters
        ----------
        batch
            A batch as it was given, or as batches are cut.
        samples
            The number of samples that will be run; `None` if it is unknown.
        """
        mixed = self.execution.amp != "off"
        suits = suits_channels_last(self.network.module, self.device, mixed=mixed)
        asked = self.execution.channels_last
        # Networks in which `view` fails on maps with channels last get them in the usual format.
        count = trial_size(samples, len(batch), len(self.conditions))
        doubles = self._find_doubles(batch, count)
        for layout in dict.fromkeys([suits if asked is None else asked, False]):
            self._lay_out(layout)
            signals = self._signals(batch, None)
            for size in dict.fromkeys([count, len(batch)]):  # it may need batches of one size
                probe = probe_network(self.network, signals.head(size))
                if probe.runs:
                    break
            if probe.runs:
                break
        return replace(probe, channels_last=layout, doubles=doubles)

    def learn_behaviour(self, probe: Probe) -> None:
        """Take over how the network behaves, from this or from another process."""
        self.probe = probe
        self.doubles = tuple(probe.doubles)
        if self.doubles:
            self.notes.append(
                f"{', '.join(map(repr, self.doubles))} stay float64, as the network takes them"
            )
        self.notes += probe.notes
        self._lay_out(probe.channels_last)

    def note_batches(self, *, kept: bool) -> None:
        """Tell the user what follows if predictions depend on the batch.

        Parameters
        ----------
        kept
            Whether batches are run as they were given.
        """
        probe = self.probe
        if probe is None or probe.notes or not probe.reason:
            return
        if kept:
            self.notes.append(f"batches are run as they were given: {probe.reason}")
        elif probe.reason.startswith("output"):
            self.notes.append(f"{probe.reason}, so results depend on the batch size")
        else:
            self.notes.append(f"not every batch size suits the network: {probe.reason}")

    def try_out(
        self, batch: Batch, follower: Follower | None, *, samples: int | None, wanted: bool
    ) -> Trial:
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
        probe = self.probe or Probe(independent=True)
        with self._guard():
            count = trial_size(samples, len(batch), len(self.conditions))
            trial, self._shared = try_network(
                self.network,
                self._signals(batch, follower).head(count),
                self.conditions,
                probe,
                samples=samples,
                wanted=wanted,
                meeting=self.plan.meeting,
            )
        return replace(trial, channels_last=probe.channels_last)

    def learn_trial(self, trial: Trial) -> None:
        """Take note of a trial, also where no batch is left to be run."""
        self.trial = trial
        self.notes += trial.notes

    def prepare(self, trial: Trial, batch: Batch, follower: Follower | None) -> None:
        """Set how batches are run, after a trial in this or in another process."""
        self.learn_trial(trial)
        if trial.shared:
            with self._guard():
                signals = self._signals(batch, follower).head(2)
                shared = self._shared or share(
                    self.network, signals, self.conditions, meeting=self.plan.meeting
                )
            self.forward = TriedForward(
                shared.within(self.precision), self.plain, self.notes.append
            )
        elif trial.reusing:
            self.forward = ReusingForward(self.plain)
        if self.execution.compile:
            self.forward.compile()

    def run(self, batch: Batch, follower: Follower | None) -> dict[RowKey, Array]:
        """Compute the rows and features of one batch under every condition."""
        with self._guard():
            return self.reduction.rows(batch, self.forward(self._signals(batch, follower)))

    @property
    def path(self) -> str:
        """How the network was run and why, as a phrase for the user."""
        if isinstance(self.forward, ReusingForward):
            reason = self.forward.reason
            return f"each setup by itself: {reason}" if reason else "shared, operator by operator"
        return "shared, operator by operator" if self.trial.reusing else self.trial.path

    def _guard(self) -> AbstractContextManager[object]:
        return guard(self.probe is not None and self.probe.graded)

    def _lay_out(self, channels_last: bool) -> None:
        lay_out(self.network.module, channels_last=channels_last)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def _find_doubles(self, batch: Batch, count: int) -> tuple[str, ...]:
        """Find the inputs of float64 that the network takes as they are, such as times.

        Most networks fail on float64 beside weights of another type, and get it cast.
        """
        self.doubles, wide = (), self.network.split(batch.shown)
        for leaf, values in wide.items() if self.dtype != torch.float64 else ():
            if isinstance(values, Tensor) and values.dtype == torch.float64:
                self.doubles += (leaf,)
                try:
                    with guard(True), self.precision():
                        self.network(self._signals(batch, None).head(count).shown(FULL, ""))
                except Exception:  # a network may raise anything
                    self.doubles = self.doubles[:-1]
        return self.doubles

    def _signals(self, batch: Batch, follower: Follower | None) -> BatchInputs:
        kept = set(self.doubles)

        def leaves(inputs: Mapping[str, Any]) -> dict[str, Any]:
            found = self.network.split({**batch.shared, **inputs})
            return {
                leaf: self._placed(cast(x, self.device, None if leaf in kept else self.dtype))
                for leaf, x in found.items()
            }

        clean = leaves(batch.inputs)
        owners = self.network.layout.owners
        contexts = {m.name for m in self.network.inputs if m.role == "context"}
        for leaf, values in clean.items():
            if owners[leaf] not in contexts and not is_batched(values, len(batch)):
                raise InfluenceError(
                    f"network {self.network.name!r}: the input {leaf!r} is one value for the whole "
                    "batch, and only a context can be. Declare it: Modality(role='context')"
                )
        return BatchInputs(
            clean,
            batch.indices,
            self.modalities,
            self.mutes,
            None if follower is None else leaves(follower),
            self.plan.seed,
            batch.partners,
            None if batch.exchanged is None else leaves(batch.exchanged),
            owners,
            self._shared_leaves(batch),
        )

    def _shared_leaves(self, batch: Batch) -> frozenset[str]:
        """Return the leaves that are one value for the whole batch."""
        layout = self.network.layout
        tensors = {leaf: layout.tensor_of(leaf) for leaf in layout.leaves} if batch.shared else {}
        return frozenset(
            leaf
            for leaf, tensor in tensors.items()
            if any(name == tensor or name.startswith(f"{tensor}.") for name in batch.shared)
        )

    def _placed(self, values: Any) -> Any:
        if not (isinstance(values, Tensor) and values.ndim == 4 and values.is_floating_point()):
            return values
        return values.contiguous(memory_format=self.memory_format)
