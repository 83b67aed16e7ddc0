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
from influence.engine.checks import RowChecks, explain_failure
from influence.errors import InfluenceError
from influence.metrics.decorator import ItemFunction
from influence.metrics.kinds import faults, find_scores
from influence.metrics.metric import Items, Prediction, Reads, Scores, Statistic
from influence.metrics.preparation import as_values, mark_missing, resize
from influence.metrics.slices import Cut, cut_truth
from influence.metrics.stateful import StatefulMetric
from influence.network.joint_network import JointNetwork, Output
from influence.plan.plan import Plan
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.statistics.rows import FEATURES, MARK, RowKey, StatefulValues

__all__ = ["BatchReduction", "Reduction"]

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
    observed
        Messages for the user about outputs, added while these are scored.
    """

    network: JointNetwork
    data: DataFacts
    plan: Plan
    device: torch.device
    observed: list[str] = dataclass_field(default_factory=list)
    _clones: dict[RowKey, StatefulMetric] = dataclass_field(default_factory=dict)
    _scores: dict[str, Scores] = dataclass_field(default_factory=dict)

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

    def reads(self, output: str) -> set[Reads]:
        """Return what the metrics of an output take it for."""
        return {statistic.reads for statistic in self.statistics(output)}

    def output(self, name: str) -> Output:
        """Return the declaration of an output."""
        return next(output for output in self.network.outputs if output.name == name)

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
                rows.update(reduced.reduce(condition, name, outputs[name]))
                known = self._faults(name, outputs[name], len(batch.indices))
                finite[RowKey(condition, name, "finite")] = known
            for name in outputs:
                if name.startswith(MARK):
                    features[RowKey(condition, name, FEATURES)] = outputs[name].double()
            del outputs  # before the next condition asks for memory
        table, (found, flags, kept) = _to_host([rows, finite, features])
        checks = RowChecks(self.network.name, self.data.source, batch.ids)
        checks.check_outputs(flags)
        if not np.isfinite(table).all():
            checks.check_rows(found)
        for name in self.plan.metrics:
            for statistic in self.statistics(name):
                key = RowKey(Condition(NO_MUTE, FULL), name, statistic.name)
                self._check_truth(checks, key, statistic, found[key])
        return found | kept

    def _check_truth(
        self, checks: RowChecks, key: RowKey, statistic: Statistic, rows: Array
    ) -> None:
        """Refuse samples without ground truth, unless the output declares what means none."""
        if self.output(key.output).ignore is None or statistic.against == "full":
            checks.check_truth(key, statistic, rows)
        elif not (statistic.valid(rows) > 0).all():
            note = (
                f"some samples have no ground truth for {key.output!r}, and are not counted there: "
                f"it is {self.output(key.output).ignore:g}"
            )
            if note not in self.observed:
                self.observed.append(note)

    def _explained(
        self, batch: Batch, passes: Iterator[tuple[Condition, dict[str, Tensor]]]
    ) -> Iterator[tuple[Condition, dict[str, Tensor]]]:
        """Yield the passes; if one fails, raise an error that gives the likely cause."""
        try:
            yield from passes
        except InfluenceError:
            raise
        except Exception as error:
            raise explain_failure(
                error, self.network.name, self.data.source, batch.shown, self.plan.mutes
            ) from error

    def of_batch(self, batch: Batch) -> BatchReduction:
        """Make the reduction of a batch, with its ground truth on the device."""
        found = {n: self._to_device(batch.targets[n]) for n in self.truth_names}
        nothing = torch.empty(len(batch.indices), 0, device=self.device)
        outputs = {output.name: output for output in self.network.outputs}
        stored = {
            n: mark_missing(x, outputs[n]) if isinstance(x, Tensor) and n in outputs else x
            for n, x in found.items()
        }
        numbers = {n: self._numbers(n, found[n]) for n in self.plan.metrics if n in found}
        return BatchReduction(
            self,
            self._truths({n: stored.get(n, nothing) for n in self.plan.metrics}, stored),
            self._truths({n: x for n, x in numbers.items() if x is not None}, stored),
        )

    def _to_device(self, target: Tensor | Sequence[Any]) -> Tensor | Sequence[Any]:
        if isinstance(target, Tensor):
            return target.to(self.device, non_blocking=True)
        return target

    def _numbers(self, name: str, target: Tensor | Sequence[Any]) -> Tensor | None:
        """Return integers that a metric takes for values as such; `None` if there are none."""
        reads = self.reads(name)
        if "values" not in reads or not isinstance(target, Tensor) or target.is_floating_point():
            return None
        output, field = self.output(name), self.data.targets[name]
        numbers = as_values(target, output, field)
        if reads & {"labels", "multilabel"} and bool((numbers < 0).any()):
            raise InfluenceError(
                f"{self.data.source}: targets/{name} holds integers below 0, which mean 'no ground "
                "truth' to metrics of labels and are values to metrics of errors, and both were "
                f"asked for. Declare Output({name!r}, ignore=-1) if they are none, or measure "
                "with one or the other"
            )
        return numbers

    def _truths(
        self,
        targets: Mapping[str, Tensor | Sequence[Any]],
        sources: Mapping[str, Tensor | Sequence[Any]],
    ) -> dict[str, Truth]:
        slices = {name: own for name, own in self.plan.slices.items() if name in targets}
        cuts = cut_truth(slices, _tensors(targets), _tensors(sources)) if slices else {}
        return {name: Truth(target, cuts.get(name, ())) for name, target in targets.items()}

    def _faults(self, name: str, values: Tensor | Sequence[Any], count: int) -> Tensor:
        if not isinstance(values, Tensor):
            return torch.ones(count, 1, dtype=torch.float64, device=self.device)
        return faults(values, logits=self._scores.get(name) == "logits")

    def find_scores(self, condition: Condition, prediction: Prediction) -> Scores | None:
        """Find out whether class scores are probabilities or logits; `None` if none are read.

        The first values with nothing muted decide. What was assumed has to hold for all others.

        Raises
        ------
        InfluenceError
            If the values are not what the output declares, or not what was assumed.
        """
        output, reads = prediction.output, self.reads(prediction.output.name)
        declared = output.kind in ("probabilities", "logits")
        if not (declared or reads & {"labels", "multilabel"}):
            return None
        known = self._scores.get(output.name)
        if condition.setup != FULL or (known and declared) or known == "logits":
            return known
        found, note = find_scores(
            prediction.values,
            output,
            "multilabel" if "multilabel" in reads else "labels",
            alone=prediction.is_binary,
        )
        if known and found != known:
            raise InfluenceError(
                f"output {output.name!r}: its first values lay between 0 and 1 and were taken for "
                "probabilities, and later ones do not. Declare its kind: "
                f"Output({output.name!r}, 'logits')"
            )
        if note and not known:
            self.observed.append(note)
        self._scores[output.name] = found
        return found

    def update(self, condition: Condition, prediction: Prediction | Items) -> None:
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
class Truth:
    """The ground truth of an output for a batch, its slices, and what was computed from it."""

    target: Tensor | Sequence[Any]
    cuts: Sequence[Cut]
    cache: dict[str, Any] = dataclass_field(default_factory=dict)


@dataclass(frozen=True)
class BatchReduction:
    """Reduces the predictions of one batch to rows.

    Quantities that depend only on the ground truth are computed once for all conditions.

    Parameters
    ----------
    reduction
        Where this belongs.
    stored
        The ground truth of each output as the data hold it.
    numbers
        That of outputs with integers which a metric takes for values, as floating-point numbers.
    full
        The predictions with nothing muted, where a metric compares with them.
    """

    reduction: Reduction
    stored: Mapping[str, Truth]
    numbers: Mapping[str, Truth]
    full: dict[str, Prediction] = dataclass_field(default_factory=dict)

    def reduce(
        self, condition: Condition, name: str, values: Tensor | Sequence[Any]
    ) -> Iterator[tuple[RowKey, Tensor]]:
        """Yield the rows (samples, k) of an output under a condition; the full one comes first."""
        try:
            target = self.stored[name].target
            if isinstance(values, Tensor) and isinstance(target, Tensor):
                yield from self._reduce_tensor(condition, name, values, target)
            else:
                yield from self._reduce_items(condition, name, values, target)
        except InfluenceError as error:
            raise InfluenceError(f"{self.reduction.data.source}: {error}") from None

    def _reduce_tensor(
        self, condition: Condition, name: str, values: Tensor, target: Tensor
    ) -> Iterator[tuple[RowKey, Tensor]]:
        reduction = self.reduction
        statistics = reduction.statistics(name)
        output = reduction.output(name)
        if values.is_complex() or values.is_meta:
            what = "values that were not computed" if values.is_meta else "complex numbers"
            raise InfluenceError(
                f"output {name!r}: expected real numbers, got {what}, {values.dtype}. Return their "
                "magnitude, or real and imaginary part as channels (torch.view_as_real)"
            )
        scored = values if values.dtype == torch.float64 else values.float()
        prediction = Prediction(
            resize(scored, target, output),
            target,
            output,
            reduction.data.targets.get(name, NO_TRUTH),
            self.stored[name].cache,
            reference=self.full.get(name),
        )
        prediction = replace(prediction, scores=reduction.find_scores(condition, prediction))
        if condition.setup == FULL and any(s.against == "full" for s in statistics):
            self.full[name] = prediction
        for statistic in statistics:
            whole, _ = self._read(statistic, name, prediction)
            yield RowKey(condition, name, statistic.name), statistic.update(whole)
        for i, cut in enumerate(self.stored[name].cuts):
            for statistic in statistics:
                whole, cuts = self._read(statistic, name, prediction)
                part = replace(
                    whole,
                    target=cuts[i].target,
                    pixels=cuts[i].pixels,
                    truth_cache=cuts[i].truth_cache,
                )  # values stay, and what was computed from them alone
                yield RowKey(condition, name, statistic.name, cut.level), statistic.update(part)
        if reduction.plan.stateful:
            reduction.update(condition, prediction)

    def _read(
        self, statistic: Statistic, name: str, prediction: Prediction
    ) -> tuple[Prediction, Sequence[Cut]]:
        """Return a prediction with the ground truth that a statistic reads, and its slices."""
        numbers = self.numbers.get(name) if statistic.reads == "values" else None
        if numbers is None:
            return prediction, self.stored[name].cuts
        assert isinstance(numbers.target, Tensor), "numbers are made of tensors"
        own = replace(prediction, target=numbers.target, truth_cache=numbers.cache)
        return own, numbers.cuts

    def _reduce_items(
        self,
        condition: Condition,
        name: str,
        values: Tensor | Sequence[Any],
        target: Tensor | Sequence[Any],
    ) -> Iterator[tuple[RowKey, Tensor]]:
        reduction = self.reduction
        if len(values) != len(target):
            raise InfluenceError(
                f"output {name!r}: the network returned {len(values)} entries for {len(target)} "
                "samples, expected one entry a sample"
            )
        items = Items(list(values), list(target), reduction.output(name))
        for statistic in reduction.statistics(name):
            scorer: object = statistic.update
            if not isinstance(scorer, ItemFunction):
                kind = type(items.values[0]).__name__ if len(items) else "list"
                raise InfluenceError(
                    f"output {name!r} or its ground truth is no tensor (an entry is a {kind}), and "
                    f"the statistic {statistic.name!r} needs tensors. Take a function under "
                    "@influence.metric(higher_is_better=...), which gets one sample at a time, or "
                    "an object with update, compute and reset, as of torchmetrics"
                )
            rows = scorer.of_items(items)
            yield RowKey(condition, name, statistic.name), rows.to(reduction.device)
        reduction.update(condition, items)


def _tensors(targets: Mapping[str, Tensor | Sequence[Any]]) -> dict[str, Tensor]:
    return {name: target for name, target in targets.items() if isinstance(target, Tensor)}


def _to_host(groups: Sequence[Tensors]) -> tuple[Array, list[dict[RowKey, Array]]]:
    """Copy tensors (samples, k) to the host together, so that it waits for the device only once."""
    columns = [values for group in groups for values in group.values()]
    table = torch.cat(columns, dim=1).cpu().numpy()
    ends = np.cumsum([column.shape[1] for column in columns])[:-1]
    parts = iter(np.split(table, ends, axis=1))
    return table, [{key: next(parts) for key in group} for group in groups]
