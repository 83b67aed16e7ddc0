"""Scoring: the outputs of one batch under one condition after the other, reduced to rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.evaluation_set import Batch, DataFacts
from influence.metrics import Metric, Prediction, Scorer, Statistic
from influence.network import Output
from influence.rows import Condition, RowKey

__all__ = ["BatchScoring", "Scores", "Scoring"]

Scores = Mapping[RowKey, float]
"""The value of each metric that keeps its own state, in the place of a statistic."""


@dataclass(frozen=True)
class Scoring:
    """What the outputs of a network are scored by.

    Parameters
    ----------
    outputs, data
        What is known of the outputs and of their ground truth.
    metrics, scorers
        Of each output to score: what leaves rows, and what keeps its own state.
    device
        Where it is computed.
    """

    outputs: Mapping[str, Output]
    data: DataFacts
    metrics: Mapping[str, Sequence[Metric]]
    scorers: Mapping[str, Sequence[Scorer]]
    device: torch.device
    _clones: dict[RowKey, Scorer] = dataclass_field(default_factory=dict)

    def statistics(self, output: str) -> list[Statistic]:
        """List what the metrics of an output are computed from, each once."""
        return list({m.statistic.name: m.statistic for m in self.metrics[output]}.values())

    def row_keys(self, conditions: Sequence[Condition]) -> list[RowKey]:
        """List what there is a row for: each condition, output and statistic."""
        return [
            RowKey(condition, output, statistic.name)
            for condition in conditions
            for output in self.metrics
            for statistic in self.statistics(output)
        ]

    def notes(self) -> list[str]:
        """Say what the user has to know of the metrics."""
        own = [s.name for scorers in self.scorers.values() for s in scorers]
        return [
            f"{', '.join(dict.fromkeys(own))}: value only, no interval and no p-value, for what it "
            "adds up to from batch to batch is not known"
        ] * bool(own)

    def of_batch(self, batch: Batch) -> BatchScoring:
        """Bring the ground truth of a batch to the device."""
        targets = {n: batch.targets[n].to(self.device, non_blocking=True) for n in self.metrics}
        return BatchScoring(self, targets, {name: {} for name in targets})

    def update(self, condition: Condition, prediction: Prediction) -> None:
        """Show a prediction to the metrics that keep their own state."""
        for scorer in self.scorers.get(prediction.output.name, ()):
            key = RowKey(condition, prediction.output.name, scorer.name)
            if key not in self._clones:
                self._clones[key] = scorer.fresh(self.device)
            self._clones[key].update(prediction)

    def scores(self) -> Scores:
        """Return the values of the metrics that keep their own state, of all batches so far."""
        return {key: clone.value() for key, clone in self._clones.items()}


@dataclass(frozen=True)
class BatchScoring:
    """The ground truth of one batch, and what was computed from it."""

    scoring: Scoring
    targets: Mapping[str, Tensor]
    known: Mapping[str, dict[str, Any]]

    def reduce(
        self, condition: Condition, name: str, values: Tensor
    ) -> Iterator[tuple[RowKey, Tensor]]:
        """Yield the rows (samples, k) of one output under one condition."""
        prediction = Prediction(
            values if values.dtype == torch.float64 else values.float(),
            self.targets[name],
            self.scoring.outputs[name],
            self.scoring.data.targets[name],
            self.known[name],
        )
        try:
            for statistic in self.scoring.statistics(name):
                yield RowKey(condition, name, statistic.name), statistic.update(prediction)
            self.scoring.update(condition, prediction)
        except InfluenceError as error:
            raise InfluenceError(f"{self.scoring.data.source}: {error}") from None
