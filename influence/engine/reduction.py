"""Reduction: predictions of a batch are reduced to rows, one line of numbers for each sample.

Statistics are computed on the device that holds the predictions, and copied to the host once per
batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import Batch, DataFacts, Field
from influence.errors import InfluenceError
from influence.metrics.metric import Prediction, Statistic
from influence.metrics.slices import Cut, cut_truth
from influence.metrics.stateful import StatefulMetric
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.statistics.rows import FEATURES, MARK, RowKey, StatefulValues

__all__ = ["BatchReduction", "Reduction", "RowChecks", "explain_failure"]

Array = NDArray[np.float64]
Tensors = dict[RowKey, Tensor]

NO_TRUTH = Field((0,), integer=False)
"""The facts of the ground truth of an output that has none."""


@dataclass(frozen=True)
class Reduction:
    """Reduces the predictions of a network to rows.

    Parameters
    ----------
    network, data
        The network, and the facts of the data, including those of the ground truth.
    plan
        The metrics of each output, and the slices for which they are computed.
    device
        The device on which statistics are computed.
    """

    network: JointNetwork
    data: DataFacts
    plan: Plan
    device: torch.device
    _clones: dict[RowKey, StatefulMetric] = dataclass_field(default_factory=dict)

    @property
    def truth_names(self) -> list[str]:
        """The ground truth that is needed, for scored outputs and for slices of them."""
        sources = (slicing.source for own in self.plan.slices.values() for slicing in own)
        scored = (name for name in self.plan.metrics if name in self.data.targets)
        return list(dict.fromkeys([*scored, *sources]))

    def levels(self, output: str) -> list[str]:
        """List the levels of an output: ``all``, then its slices."""
        own = self.plan.slices.get(output, ())
        return ["all", *(level for slicing in own for level in slicing.division.levels())]

    def statistics(self, output: str) -> list[Statistic]:
        """List the statistics, each once, from which metrics of an output are computed."""
        return list({m.statistic.name: m.statistic for m in self.plan.metrics[output]}.values())

    def row_keys(self, conditions: Sequence[Condition]) -> list[RowKey]:
        """List the keys of all rows, for each condition, output, level and statistic."""
        return [
            RowKey(condition, output, statistic.name, level)
            for condition in conditions
            for output in self.plan.metrics
            for level in self.levels(output)
            for statistic in self.statistics(output)
        ]

    def notes(self) -> list[str]:
        """Return messages for the user about the metrics."""
        notes = [
            f"output {name!r} has no ground truth in {self.data.source}, which holds "
            f"{sorted(self.data.targets)}: it is scored by how much it changes"
            for name in self.plan.metrics
            if name not in self.data.targets
        ]
        stateful = [metric.name for own in self.plan.stateful.values() for metric in own]
        if stateful:
            notes.append(
                f"{', '.join(dict.fromkeys(stateful))}: value only, no interval and no p-value, "
                "because its state cannot be split into samples"
            )
        return notes

    def rows(
        self, batch: Batch, passes: Iterator[tuple[Condition, dict[str, Tensor]]]
    ) -> dict[RowKey, Array]:
        """Compute the rows and features of a batch from its outputs under each condition.

        Parameters
        ----------
        batch
            The samples, with their ground truth.
        passes
            Each condition with the outputs of the network, the full one first. They are consumed
            one by one, and outputs are freed before the next ones are computed.

        Raises
        ------
        InfluenceError
            If the network fails, an output or a row is not finite, or a sample has no valid ground
            truth.
        """
        reduced = self.of_batch(batch)
        rows: Tensors = {}
        finite: Tensors = {}
        features: Tensors = {}
        for condition, outputs in self._explained(batch, passes):
            for name in self.plan.metrics:
                values = outputs[name]
                known = values.isfinite().reshape(len(batch.indices), -1).all(dim=1, keepdim=True)
                finite[RowKey(condition, name, "finite")] = known.double()
                rows.update(reduced.reduce(condition, name, values))
            for name, values in outputs.items():
                if name.startswith(MARK):
                    features[RowKey(condition, name, FEATURES)] = values.double()
            del outputs, values  # before the next condition asks for memory
        table, (found, flags, kept) = _to_host([rows, finite, features])
        checks = RowChecks(self.network.name, self.data.source, batch.ids)
        checks.check_outputs(flags)
        if not np.isfinite(table).all():
            checks.check_rows(found)
        for name in self.plan.metrics:
            for statistic in self.statistics(name):
                key = RowKey(Condition(NO_MUTE, FULL), name, statistic.name)
                checks.check_truth(key, statistic, found[key])
        return found | kept

    def _explained(
        self, batch: Batch, passes: Iterator[tuple[Condition, dict[str, Tensor]]]
    ) -> Iterator[tuple[Condition, dict[str, Tensor]]]:
        """Yield the passes; if one fails, raise an error that gives the likely cause."""
        try:
            yield from passes
        except InfluenceError:
            raise
        except Exception as error:
            absent = any(mute.absent for mute in self.plan.mutes)
            raise explain_failure(
                error, self.network.name, self.data.source, batch.inputs, absent=absent
            ) from error

    def of_batch(self, batch: Batch) -> BatchReduction:
        """Make the reduction of a batch, with its ground truth on the device."""
        truth = {n: batch.targets[n].to(self.device, non_blocking=True) for n in self.truth_names}
        nothing = torch.empty(len(batch.indices), 0, device=self.device)
        targets = {name: truth.get(name, nothing) for name in self.plan.metrics}
        cuts = cut_truth(self.plan.slices, truth) if self.plan.slices else {}
        return BatchReduction(self, targets, {name: {} for name in targets}, cuts)

    def update(self, condition: Condition, prediction: Prediction) -> None:
        """Update the metrics that keep their own state with a prediction."""
        for metric in self.plan.stateful.get(prediction.output.name, ()):
            key = RowKey(condition, prediction.output.name, metric.name)
            if key not in self._clones:
                self._clones[key] = metric.fresh(self.device)
            self._clones[key].update(prediction)

    def stateful_values(self) -> StatefulValues:
        """Return the values of the metrics that keep their own state, over all batches so far."""
        return {key: clone.value() for key, clone in self._clones.items()}


@dataclass(frozen=True)
class BatchReduction:
    """Reduces the predictions of one batch to rows.

    Quantities that depend only on the ground truth are computed once for all conditions.
    """

    reduction: Reduction
    targets: Mapping[str, Tensor]
    known: Mapping[str, dict[str, Any]]
    cuts: Mapping[str, Sequence[Cut]]
    full: dict[str, Prediction] = dataclass_field(default_factory=dict)

    def reduce(
        self, condition: Condition, name: str, values: Tensor
    ) -> Iterator[tuple[RowKey, Tensor]]:
        """Yield the rows (samples, k) of an output under a condition; the full one comes first."""
        reduction = self.reduction
        statistics = reduction.statistics(name)
        prediction = Prediction(
            values if values.dtype == torch.float64 else values.float(),
            self.targets[name],
            next(output for output in reduction.network.outputs if output.name == name),
            reduction.data.targets.get(name, NO_TRUTH),
            self.known[name],
            reference=self.full.get(name),
        )
        if condition.setup == FULL and any(s.against == "full" for s in statistics):
            self.full[name] = prediction
        try:
            for statistic in statistics:
                yield RowKey(condition, name, statistic.name), statistic.update(prediction)
            for cut in self.cuts.get(name, ()):
                part = replace(
                    prediction, target=cut.target, pixels=cut.pixels, truth_cache=cut.truth_cache
                )  # values stay, and what was computed from them alone
                for statistic in statistics:
                    yield RowKey(condition, name, statistic.name, cut.level), statistic.update(part)
            if reduction.plan.stateful:
                reduction.update(condition, prediction)
        except InfluenceError as error:
            raise InfluenceError(f"{reduction.data.source}: {error}") from None


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
        """Raise InfluenceError if `finite` (samples, 1) is zero, which marks NaN or infinity."""
        for key, flags in finite.items():
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
                "and 'range'"
            )


def explain_failure(
    error: Exception, network: str, source: str, inputs: Mapping[str, Tensor], *, absent: bool
) -> InfluenceError:
    """Return an error that gives the likely cause of a failed forward pass, and a remedy.

    Parameters
    ----------
    error
        The exception that was raised.
    network, source
        The names of the network and of the data.
    inputs
        The inputs of the batch.
    absent
        Whether a mute passes None in place of inputs.
    """
    shapes = {n: tuple(x.shape) for n, x in inputs.items()}
    if isinstance(error, torch.cuda.OutOfMemoryError):
        remedy = "Take a smaller batch_size"
    elif absent:
        remedy = "The mute 'absent' shows None in place of an input: does the network accept it?"
    else:
        remedy = (
            "Check that the file's inputs have the shapes that the network was built for, and that "
            "it takes batches of any size"
        )
    return InfluenceError(
        f"network {network!r} failed on inputs of shape {shapes} from {source}: "
        f"{type(error).__name__}: {str(error).strip()[:500]}. {remedy}"
    )


def _to_host(groups: Sequence[Tensors]) -> tuple[Array, list[dict[RowKey, Array]]]:
    """Copy tensors (samples, k) to the host together, so that it waits for the device only once."""
    columns = [values for group in groups for values in group.values()]
    table = torch.cat(columns, dim=1).cpu().numpy()
    ends = np.cumsum([column.shape[1] for column in columns])[:-1]
    parts = iter(np.split(table, ends, axis=1))
    return table, [{key: next(parts) for key in group} for group in groups]
