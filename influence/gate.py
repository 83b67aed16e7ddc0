"""The gate before a measurement: does the network, unmuted, score what it is known to score?

A checkpoint that was loaded wrongly, or is fed other inputs than those of its training, still has
an influence for each of its inputs, and it means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from influence.batch_stream import BatchStream
from influence.bootstrap import Resampling
from influence.errors import InfluenceError, unknown
from influence.evaluation import Evaluation
from influence.evaluation_set import EvaluationSet
from influence.expectations import Expectation
from influence.matching import match_metrics, match_scorers
from influence.metrics import Metric, Scorer, Wanted
from influence.network import JointNetwork
from influence.plan import Execution, Plan
from influence.processes import Processes
from influence.rows import NO_MUTE, Condition, RowKey
from influence.setups import FULL
from influence.streaming import evaluate_stream
from influence.sums import Sums

__all__ = ["CleanScores", "check_scores", "reopen"]

WHAT_TO_CHECK = (
    "Nothing was measured. Check that the checkpoint is the one that reaches this, the "
    "preprocessing of the inputs (unit, scale, order of channels), the labels (order of classes), "
    "'ignore' and 'range', and that the value is in natural units (mean IoU in 0..1, metres)"
)


@dataclass(frozen=True)
class CleanScores:
    """What a pass with nothing muted has found.

    Parameters
    ----------
    scores
        One record an expectation and network, for ``run.json``.
    n
        How many samples were read; `None` if nothing was expected and nothing was run.
    notes
        What was found out about the networks, by the names of their results.
    """

    scores: Sequence[Mapping[str, Any]] = ()
    n: int | None = None
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def check_length(self, n: int) -> None:
        """Raise InfluenceError if the measurement has read another number of samples."""
        if self.n not in (None, n):
            raise InfluenceError(
                f"the data yielded {self.n} samples when the expected score was checked and {n} "
                "when influence was measured: they cannot be read twice. Give data that start "
                "again whenever they are read, or leave the expectation out"
            )


def reopen(data: Any, opened: EvaluationSet | BatchStream) -> EvaluationSet | BatchStream:
    """Return data to read once before they are measured: the set, or the stream from its start.

    Raises
    ------
    InfluenceError
        If `data`, from which a stream was opened, are an iterator, which is read only once.
    """
    if not isinstance(opened, BatchStream):
        return opened
    if isinstance(data, Iterator):
        raise InfluenceError(
            f"an expected score needs a pass of its own, and {opened.source} is a "
            f"{type(data).__name__}, which can be read only once. Give an iterable that starts "
            "again, such as a list or a data loader, or leave the expectation out"
        )
    return BatchStream(data)


def check_scores(
    expectations: Sequence[Expectation],
    networks: Mapping[str, JointNetwork],
    plans: Sequence[Plan],
    data: EvaluationSet | BatchStream,
    *,
    execution: Execution | None = None,
    limit: int | None = None,
    processes: Processes | None = None,
    advance: Callable[[int], None] | None = None,
) -> CleanScores:
    """Run networks once with nothing muted, and compare their scores with what is expected.

    Parameters
    ----------
    expectations
        At least one.
    networks, plans
        The networks by the names of their results, with what will be measured. A metric that is
        expected need not be among those.
    data, execution, limit, processes, advance
        As for `influence.streaming.evaluate_stream`. A stream is read to its end.

    Raises
    ------
    InfluenceError
        If a score is outside its tolerance or not defined, or a name is unknown.

    Examples
    --------
    >>> import torch
    >>> from influence.evaluation_set import MemorySet
    >>> from influence.expectations import parse_expectation
    >>> class Sum(torch.nn.Module):
    ...     def forward(self, x, y):
    ...         return x + y
    >>> net = JointNetwork(Sum(), inputs=("x", "y"), outputs=("total",))
    >>> one = torch.ones(4, 1)
    >>> data = MemorySet.collect([({"x": one, "y": one}, {"total": one})])
    >>> plan = Plan(("x", "y"), (), {})
    >>> scores = check_scores([parse_expectation("total:mse=1+-0")], {"net": net}, [plan], data)
    >>> scores.scores[0]["found"]
    1.0
    """
    for expectation in expectations:
        if not any(expectation.said_of(network, key) for key, network in networks.items()):
            raise unknown("network", str(expectation.network), networks)
    asked = {
        key: _metrics([e for e in expectations if e.said_of(network, key)], network, plan, data)
        for (key, network), plan in zip(networks.items(), plans, strict=True)
    }
    asked = {key: metrics for key, metrics in asked.items() if metrics}
    found = evaluate_stream(
        [networks[key] for key in asked],
        data,
        [_clean_plan(metrics) for metrics in asked.values()],
        Resampling(draws=1),
        execution=replace(execution or Execution(), share=False, compile=False),
        limit=limit,
        processes=processes,
        advance=advance,
    )
    scores = []
    for (key, metrics), own in zip(asked.items(), found, strict=True):
        for expectation, metric in metrics.items():
            value = _value(metric, expectation.output, own)
            scores.append(asdict(expectation) | {"network": key, "found": value})
    n = found[0].n
    if wrong := [_described(score) for score in scores if not _is_right(score)]:
        raise InfluenceError(
            f"with nothing muted on {n} samples of {data.source}: {'; '.join(wrong)}. "
            f"{WHAT_TO_CHECK}"
        )
    notes = {key: own.notes for key, own in zip(asked, found, strict=True)}
    return CleanScores(scores, n, notes)


def _metrics(
    expectations: Sequence[Expectation],
    network: JointNetwork,
    plan: Plan,
    data: EvaluationSet | BatchStream,
) -> dict[Expectation, Metric | Scorer]:
    """Find the metric of each expectation, among those of the plan or by name."""
    found: dict[Expectation, Metric | Scorer] = {}
    for expectation in expectations:
        output = expectation.output
        planned: dict[str, Wanted] = {m.name: m for m in plan.metrics.get(output, ())}
        planned |= {scorer.name: scorer for scorer in plan.scorers.get(output, ())}
        wanted: dict[str, list[Wanted]] = {
            output: [planned.get(expectation.metric, expectation.metric)]
        }
        matched: list[Metric | Scorer] = [*match_metrics(network, data, wanted)[output]]
        matched += match_scorers(wanted).get(output, ())
        (found[expectation],) = matched
    return found


def _clean_plan(metrics: Mapping[Expectation, Metric | Scorer]) -> Plan:
    """Return a plan that mutes nothing and scores each output by each metric once."""
    adding: dict[str, dict[str, Metric]] = {e.output: {} for e in metrics}
    keeping: dict[str, dict[str, Scorer]] = {e.output: {} for e in metrics}
    for expectation, metric in metrics.items():
        if isinstance(metric, Scorer):
            keeping[expectation.output][metric.name] = metric
        else:
            adding[expectation.output][metric.name] = metric
    return Plan(
        (),
        (),
        {output: tuple(found.values()) for output, found in adding.items()},
        scorers={output: tuple(found.values()) for output, found in keeping.items() if found},
    )


def _value(metric: Metric | Scorer, output: str, found: Evaluation[Sums]) -> float:
    clean = Condition(NO_MUTE, FULL)
    if isinstance(metric, Scorer):
        return found.scores[RowKey(clean, output, metric.name)]
    return float(metric.formula(found.kept.totals[RowKey(clean, output, metric.statistic.name)]))


def _is_right(score: Mapping[str, Any]) -> bool:
    # A score that is not defined, NaN, is wrong too.
    return bool(abs(score["found"] - score["value"]) <= score["tolerance"])


def _described(score: Mapping[str, Any]) -> str:
    return (
        "network {network!r}: expected {output} {metric} = {value:g} ± {tolerance:g}, got "
        "{found:.6g}"
    ).format(**score)
