"""Reduction: the outputs of one batch under one condition after the other, reduced to rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import torch
from torch import Tensor

from influence.data.dataset import Batch, DataFacts, Field
from influence.errors import InfluenceError
from influence.metrics.metric import Metric, Prediction, Statistic
from influence.metrics.slices import Cut, Slicing, cut_truth
from influence.metrics.stateful import StatefulMetric
from influence.network.joint_network import Output
from influence.plan.conditions import Condition
from influence.plan.setups import FULL
from influence.statistics.rows import RowKey, StatefulValues

__all__ = [
    "BatchReduction",
    "Reduction",
]


NO_TRUTH = Field((0,), integer=False)
"""What is known of a ground truth that has no places."""


@dataclass(frozen=True)
class Reduction:
    """What the outputs of a network are scored by.

    Parameters
    ----------
    outputs, data
        What is known of the outputs and of their ground truth.
    metrics, stateful, slices
        Of each output to score: what leaves rows, what keeps its own state, and by what its places
        are divided.
    device
        Where it is computed.
    """

    outputs: Mapping[str, Output]
    data: DataFacts
    metrics: Mapping[str, Sequence[Metric]]
    stateful: Mapping[str, Sequence[StatefulMetric]]
    slices: Mapping[str, Sequence[Slicing]]
    device: torch.device
    _clones: dict[RowKey, StatefulMetric] = dataclass_field(default_factory=dict)

    @property
    def with_truth(self) -> list[str]:
        """The ground truth that is looked at: that of outputs, and what divides their places."""
        sources = (slicing.source for own in self.slices.values() for slicing in own)
        return list(dict.fromkeys([*(n for n in self.metrics if n in self.data.targets), *sources]))

    def levels(self, output: str) -> list[str]:
        """List the levels of an output: the whole, then its slices."""
        own = self.slices.get(output, ())
        return ["all", *(level for slicing in own for level in slicing.division.levels())]

    def statistics(self, output: str) -> list[Statistic]:
        """List what the metrics of an output are computed from, each once."""
        return list({m.statistic.name: m.statistic for m in self.metrics[output]}.values())

    def row_keys(self, conditions: Sequence[Condition]) -> list[RowKey]:
        """List what there is a row for: each condition, output, statistic and level."""
        return [
            RowKey(condition, output, statistic.name, level)
            for condition in conditions
            for output in self.metrics
            for level in self.levels(output)
            for statistic in self.statistics(output)
        ]

    def notes(self) -> list[str]:
        """Say what the user has to know of the metrics."""
        notes = [
            f"output {name!r} has no ground truth in {self.data.source}, which holds "
            f"{sorted(self.data.targets)}: it is scored by how much it changes"
            for name in self.metrics
            if name not in self.data.targets
        ]
        own = [s.name for stateful in self.stateful.values() for s in stateful]
        if own:
            notes.append(
                f"{', '.join(dict.fromkeys(own))}: value only, no interval and no p-value, for "
                "what it adds up to from batch to batch is not known"
            )
        return notes

    def of_batch(self, batch: Batch) -> BatchReduction:
        """Bring the ground truth of a batch to the device."""
        truth = {n: batch.targets[n].to(self.device, non_blocking=True) for n in self.with_truth}
        nothing = torch.empty(len(batch), 0, device=self.device)
        targets = {name: truth.get(name, nothing) for name in self.metrics}
        cuts = cut_truth(self.slices, truth) if self.slices else {}
        return BatchReduction(self, targets, {name: {} for name in targets}, cuts)

    def update(self, condition: Condition, prediction: Prediction) -> None:
        """Show a prediction to the metrics that keep their own state."""
        for metric in self.stateful.get(prediction.output.name, ()):
            key = RowKey(condition, prediction.output.name, metric.name)
            if key not in self._clones:
                self._clones[key] = metric.fresh(self.device)
            self._clones[key].update(prediction)

    def scores(self) -> StatefulValues:
        """Return the values of the metrics that keep their own state, of all batches so far."""
        return {key: clone.value() for key, clone in self._clones.items()}


@dataclass(frozen=True)
class BatchReduction:
    """The ground truth of one batch, what was computed from it, and what it is compared with."""

    scoring: Reduction
    targets: Mapping[str, Tensor]
    known: Mapping[str, dict[str, Any]]
    cuts: Mapping[str, Sequence[Cut]]
    full: dict[str, Prediction] = dataclass_field(default_factory=dict)

    def reduce(
        self, condition: Condition, name: str, values: Tensor
    ) -> Iterator[tuple[RowKey, Tensor]]:
        """Yield the rows (samples, k) of one output under one condition, the full one first."""
        statistics = self.scoring.statistics(name)
        prediction = Prediction(
            values if values.dtype == torch.float64 else values.float(),
            self.targets[name],
            self.scoring.outputs[name],
            self.scoring.data.targets.get(name, NO_TRUTH),
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
            self.scoring.update(condition, prediction)
        except InfluenceError as error:
            raise InfluenceError(f"{self.scoring.data.source}: {error}") from None
