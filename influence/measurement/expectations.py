"""Expected scores: check that a network with nothing muted reaches its known score.

A checkpoint that was loaded wrongly, or that is given other inputs than in training, still has an
influence for each input, but a meaningless one. Checking a known score first detects this.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from influence.data.dataset import EvaluationSet
from influence.data.source import BatchStream
from influence.engine.collectors import SumCollector
from influence.engine.evaluation import Evaluation, evaluate
from influence.errors import InfluenceError, unknown
from influence.metrics.metric import Metric
from influence.metrics.registry import Wanted, match_metrics
from influence.metrics.stateful import StatefulMetric
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.runtime.execution import Execution, Session
from influence.statistics.bootstrap import LEAST
from influence.statistics.rows import RowKey, Sums

__all__ = [
    "CleanScores",
    "Expectation",
    "check_scores",
    "parse_expectation",
    "read_expectations",
]


WHAT_TO_CHECK = (
    "Nothing was measured. Check that the checkpoint is the one that reaches this, the "
    "preprocessing of the inputs (unit, scale, order of channels), the labels (order of classes), "
    "'ignore' and 'range', and that the value is in natural units (mean IoU in 0..1, metres)"
)


@dataclass(frozen=True)
class CleanScores:
    """The scores of networks with nothing muted, compared with the expected ones.

    Parameters
    ----------
    scores
        One record for each expectation and network, for ``run.json``.
    n
        The number of samples; `None` if no score was expected, so that nothing was run.
    notes
        Messages for the user about the networks, by the keys of their results.
    """

    scores: Sequence[Mapping[str, Any]] = ()
    n: int | None = None
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def check_length(self, n: int) -> None:
        """Raise InfluenceError if the measurement read another number of samples than this pass."""
        if self.n not in (None, n):
            raise InfluenceError(
                f"the data yielded {self.n} samples when the expected score was checked and {n} "
                "when influence was measured: they cannot be read twice. Give data that can "
                "be read repeatedly, or leave out expect"
            )


def check_scores(
    expectations: Sequence[Expectation],
    networks: Mapping[str, JointNetwork],
    plans: Sequence[Plan],
    data: EvaluationSet | BatchStream,
    *,
    execution: Execution | None = None,
    limit: int | None = None,
    session: Session | None = None,
) -> CleanScores:
    """Run networks once with nothing muted, and compare their scores with the expected ones.

    Parameters
    ----------
    expectations
        One expected score or more.
    networks, plans
        The networks by the keys of their results, and the plan of each. An expected metric need
        not be in the plan.
    data, execution, limit, session
        The parameters of `influence.engine.evaluation.evaluate`. A stream is read to its end.

    Raises
    ------
    InfluenceError
        If a score is outside its tolerance or undefined, or a name is unknown.

    Examples
    --------
    >>> import torch
    >>> from influence.data.memory import MemorySet
    >>> from influence.measurement.expectations import parse_expectation
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
        if not any(expectation.applies_to(network, key) for key, network in networks.items()):
            raise unknown("network", str(expectation.network), networks)
    asked = {
        key: _metrics([e for e in expectations if e.applies_to(network, key)], network, plan, data)
        for (key, network), plan in zip(networks.items(), plans, strict=True)
    }
    asked = {key: metrics for key, metrics in asked.items() if metrics}
    found = evaluate(
        [networks[key] for key in asked],
        data,
        [_clean_plan(metrics) for metrics in asked.values()],
        SumCollector(LEAST),
        execution=replace(execution or Execution(), share=False, compile=False),
        limit=limit,
        session=session,
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
) -> dict[Expectation, Metric | StatefulMetric]:
    """Find the metric of each expectation, in the plan or by its name."""
    found: dict[Expectation, Metric | StatefulMetric] = {}
    for expectation in expectations:
        output = expectation.output
        planned: dict[str, Wanted] = {m.name: m for m in plan.metrics.get(output, ())}
        planned |= {metric.name: metric for metric in plan.stateful.get(output, ())}
        wanted: dict[str, list[Wanted]] = {
            output: [planned.get(expectation.metric, expectation.metric)]
        }
        metrics, stateful = match_metrics(network, data, wanted)
        (found[expectation],) = metrics[output] or stateful[output]
    return found


def _clean_plan(metrics: Mapping[Expectation, Metric | StatefulMetric]) -> Plan:
    """Return a plan that mutes nothing and scores each output by each metric once."""
    adding: dict[str, dict[str, Metric]] = {e.output: {} for e in metrics}
    keeping: dict[str, dict[str, StatefulMetric]] = {e.output: {} for e in metrics}
    for expectation, metric in metrics.items():
        if isinstance(metric, StatefulMetric):
            keeping[expectation.output][metric.name] = metric
        else:
            adding[expectation.output][metric.name] = metric
    return Plan(
        (),
        (),
        {output: tuple(found.values()) for output, found in adding.items()},
        stateful={output: tuple(found.values()) for output, found in keeping.items() if found},
    )


def _value(metric: Metric | StatefulMetric, output: str, found: Evaluation[Sums]) -> float:
    clean = Condition(NO_MUTE, FULL)
    if isinstance(metric, StatefulMetric):
        return found.stateful[RowKey(clean, output, metric.name)]
    return float(metric.formula(found.kept.totals[RowKey(clean, output, metric.statistic.name)]))


def _is_right(score: Mapping[str, Any]) -> bool:
    # The comparison is false for an undefined score, NaN, too.
    return bool(abs(score["found"] - score["value"]) <= score["tolerance"])


def _described(score: Mapping[str, Any]) -> str:
    return (
        "network {network!r}: expected {output} {metric} = {value:g} ± {tolerance:g}, got "
        "{found:.6g}"
    ).format(**score)


FORM = re.compile(
    r"(?:(?P<network>.+)/)?(?P<output>[^:/=]+):(?P<metric>[^=]+)"
    r"=(?P<value>.+?)(?:\+-|±)(?P<tolerance>.+)"
)


@dataclass(frozen=True)
class Expectation:
    """A score that a network is known to reach with nothing muted.

    Parameters
    ----------
    output, metric
        The output that is scored, and the name of the metric.
    value, tolerance
        The score in natural units, and the largest allowed deviation from it.
    network
        The name or key of the network; `None` for all networks that are measured.

    Raises
    ------
    InfluenceError
        If the value is not finite, or the tolerance is negative or not finite.
    """

    output: str
    metric: str
    value: float
    tolerance: float
    network: str | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and 0 <= self.tolerance < math.inf):
            raise InfluenceError(
                f"expected a finite score of {self.output!r} and a tolerance of 0 or more, got "
                f"{self.value:g} and {self.tolerance:g}"
            )

    def applies_to(self, network: JointNetwork, key: str) -> bool:
        """Return whether the score is expected of the network with this key."""
        return self.network in (None, network.name, key)


def parse_expectation(text: str) -> Expectation:
    """Parse ``output:metric=value+-tolerance``, optionally with ``network/`` before it.

    The sign ± may be written in place of ``+-``.

    Raises
    ------
    InfluenceError
        If the text has another form, or its numbers are not valid.

    Examples
    --------
    >>> parse_expectation("semantic:mean_iou=0.542+-0.005")
    Expectation(output='semantic', metric='mean_iou', value=0.542, tolerance=0.005, network=None)
    """
    found = FORM.fullmatch(text)
    try:
        if found is None:
            raise ValueError("another form")
        value, tolerance = float(found["value"]), float(found["tolerance"])
    except ValueError as error:
        raise InfluenceError(
            "expected output:metric=value+-tolerance, such as semantic:mean_iou=0.542+-0.005, got "
            f"{text!r}"
        ) from error
    return Expectation(found["output"], found["metric"], value, tolerance, found["network"])


def read_expectations(wanted: str | Sequence[str | Expectation]) -> list[Expectation]:
    """Read expected scores from one text, or from several texts and records.

    >>> [e.metric for e in read_expectations("semantic:mean_iou=0.542+-0.005")]
    ['mean_iou']
    """
    several = [wanted] if isinstance(wanted, str) else wanted
    return [parse_expectation(e) if isinstance(e, str) else e for e in several]
