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

from influence.errors import InfluenceError
from influence.evaluation_set import Batch, DataFacts
from influence.forward import Forward, PlainForward, TriedForward
from influence.layout import lay_out, suits_channels_last, with_layout
from influence.metrics import Metric, Scorer
from influence.muting import Mute
from influence.network import JointNetwork, Modality
from influence.places import FEATURES, chosen_samples, is_place
from influence.rows import Condition, RowKey
from influence.scoring import Scores, Scoring
from influence.setups import FULL
from influence.sharing import SharedForward, share
from influence.signals import Signals
from influence.slices import Slicing
from influence.tapping import Tapped, tap_network
from influence.trial import Trial, trial_size, try_network

__all__ = ["Runner"]


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
    scorers, slices
        The metrics of each output that keep their own state; by what its places are divided.
    device, amp, seed
        Where, in which mixed precision, and with which seed.
    compiled, channels_last
        Whether the network is compiled, and whether maps are kept with their channels last;
        `None` where that suits it.
    meeting, stride
        Where features are looked at, and of which samples; see `influence.places`.
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
        scorers: Mapping[str, Sequence[Scorer]] = MappingProxyType({}),
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
        self.network, self.data, self.conditions = network, data, conditions
        self.modalities, self.mutes, self.metrics = dict(modalities), mutes, metrics
        self.device, self.amp, self.seed = device, amp, seed
        self.compiled, self.wanted_layout, self.channels_last = compiled, channels_last, False
        outputs = {o.name: o for o in network.outputs}
        self.scoring = Scoring(outputs, data, metrics, scorers, slices, device)
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

    def scores(self) -> Scores:
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
    def run(
        self, batch: Batch, follower: Mapping[str, Tensor] | None
    ) -> dict[RowKey, NDArray[np.float64]]:
        """Return the rows of one batch."""
        signals = self._signals(batch, follower)
        scoring = self.scoring.of_batch(batch)
        rows: dict[RowKey, Tensor] = {}
        finite: dict[tuple[Condition, str], Tensor] = {}
        features: dict[RowKey, Tensor] = {}
        passes = self.forward(signals)
        for _ in self.conditions:
            try:
                condition, outputs = next(passes)
            except Exception as error:
                raise self._failure(signals, error) from error
            for name in self.metrics:
                values = outputs[name]
                finite[condition, name] = values.isfinite().reshape(len(batch), -1).all(dim=1)
                rows.update(scoring.reduce(condition, name, values))
            for name in filter(is_place, outputs):
                features[RowKey(condition, name, FEATURES)] = outputs[name].double()
            del outputs, values  # before the next condition asks for memory
        # The only time that the host waits for the device.
        flags_of = [flags.double().unsqueeze(1) for flags in finite.values()]
        columns = [*rows.values(), *flags_of, *features.values()]
        table = torch.cat(columns, dim=1).cpu().numpy()
        widths = np.cumsum([column.shape[1] for column in columns])[:-1]
        parts = np.split(table, widths, axis=1)
        for (condition, name), flags in zip(finite, parts[len(rows) :], strict=False):
            self._check_finite(condition, batch, name, flags[:, 0] > 0)
        found = dict(zip(rows, parts, strict=False))
        if not np.isfinite(table).all():
            self._complain(batch, found)
        for key in found:
            if key.condition.setup == FULL and key.level == "all":
                self._check_valid(batch, key, found[key])
        chosen = chosen_samples(batch.indices, self.stride)
        seen = zip(features, parts[len(rows) + len(finite) :], strict=True)
        return found | {key: values[chosen] for key, values in seen}

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

    def _failure(self, signals: Signals, error: Exception) -> InfluenceError:
        if isinstance(error, InfluenceError):
            return error
        shapes = {n: tuple(x.shape) for n, x in signals.clean.items()}
        if isinstance(error, torch.OutOfMemoryError):
            remedy = "Take a smaller batch size"
        elif any(mute.absent for mute in self.mutes.values()):
            remedy = (
                "The mute 'absent' shows None in place of an input: does the network accept it?"
            )
        else:
            remedy = (
                "Check that the file's inputs have the shapes that the network was built for, "
                "and that it takes batches of any size"
            )
        return InfluenceError(
            f"network {self.network.name!r} failed on inputs of shape {shapes} from "
            f"{self.data.source}: {type(error).__name__}: {str(error).strip()[:500]}. {remedy}"
        )

    def _check_finite(
        self, condition: Condition, batch: Batch, name: str, finite: NDArray[np.bool_]
    ) -> None:
        if finite.all():
            return
        sample = batch.ids[int(np.flatnonzero(~finite)[0])]
        raise InfluenceError(
            f"network {self.network.name!r} returned NaN or infinity in output {name!r} for "
            f"sample {sample!r} of {self.data.source} under {condition}. Look for NaN in that "
            "sample's inputs, or for a division or logarithm in the network"
        )

    def _complain(self, batch: Batch, rows: Mapping[RowKey, NDArray[np.float64]]) -> None:
        """Raise InfluenceError for a statistic that is NaN or infinite."""
        for key, values in rows.items():
            for i in np.flatnonzero(~np.isfinite(values).all(axis=1))[:1]:
                raise InfluenceError(
                    f"{self.data.source}: what {key.output!r} is scored by ({key.statistic}) is "
                    f"NaN or infinite for sample {batch.ids[int(i)]!r} under {key.condition}. A "
                    "function that returns one number a sample has to leave out the places without "
                    "ground truth itself (-1 or NaN)"
                )

    def _check_valid(self, batch: Batch, key: RowKey, rows: NDArray[np.float64]) -> None:
        statistics = {s.name: s for s in self.scoring.statistics(key.output)}
        scored = statistics[key.statistic].valid(rows)
        if (scored > 0).all() or statistics[key.statistic].against == "full":
            return
        sample = batch.ids[int(np.flatnonzero(scored == 0)[0])]
        raise InfluenceError(
            f"{self.data.source}: sample {sample!r} has no valid ground truth in "
            f"targets/{key.output}. Leave the sample out, or correct the attributes 'ignore' and "
            "'range'"
        )
