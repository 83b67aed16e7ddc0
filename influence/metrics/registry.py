"""The metric suite: what is available by name, and what an output is scored with by default."""

from __future__ import annotations

from collections.abc import Iterable

from influence.data.dataset import Field
from influence.errors import InfluenceError, unknown
from influence.metrics.change import CHANGE_METRICS
from influence.metrics.labels import (
    ACCURACY,
    CLASS_ACCURACY,
    CROSS_ENTROPY,
    MEAN_IOU,
    PIXEL_ACCURACY,
    PIXEL_ACCURACY_WITHOUT_OTHER,
)
from influence.metrics.metric import Metric, Prediction, Statistic
from influence.metrics.sets import SETS
from influence.metrics.stateful import Accumulator, StatefulMetric, is_accumulator, make_stateful
from influence.metrics.values import DEPTH_METRICS, ERROR_METRICS
from influence.network.joint_network import Output
from influence.runtime.factories import is_factory, make

__all__ = [
    "METRICS",
    "Metric",
    "Prediction",
    "StatefulMetric",
    "Statistic",
    "Wanted",
    "default_metrics",
    "find_metrics",
    "find_stateful",
]

Wanted = str | Metric | StatefulMetric | Accumulator
"""What a user may ask for: a name, ``module:name``, a record, or a metric of torchmetrics."""

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *DEPTH_METRICS,
        MEAN_IOU,
        PIXEL_ACCURACY,
        PIXEL_ACCURACY_WITHOUT_OTHER,
        CLASS_ACCURACY,
        ACCURACY,
        CROSS_ENTROPY,
        *ERROR_METRICS,
        *CHANGE_METRICS,
    )
}


def find_metrics(wanted: Iterable[Wanted]) -> list[Metric]:
    """Look up the metrics that add up over samples; see `find_stateful` for the others.

    Parameters
    ----------
    wanted
        Names, records, or ``module:name`` of a user's own: a record (such as a function under
        `influence.metric`), an object with ``update``, ``compute`` and ``reset`` (as of
        torchmetrics), or what makes one of these without arguments.

    Raises
    ------
    InfluenceError
        If a name is unknown, something is no metric, two have one name, or there is none.

    Examples
    --------
    >>> [m.name for m in find_metrics(["rms"])]
    ['rms']
    """
    return [metric for metric in _look_up(wanted) if isinstance(metric, Metric)]


def find_stateful(wanted: Iterable[Wanted]) -> list[StatefulMetric]:
    """Look up the metrics that keep their own state; arguments as for `find_metrics`.

    >>> find_stateful(["rms"])
    []
    """
    return [metric for metric in _look_up(wanted) if isinstance(metric, StatefulMetric)]


def _look_up(wanted: Iterable[Wanted]) -> list[Metric | StatefulMetric]:
    found = [_look_up_one(metric) for metric in wanted]
    if not found:
        raise InfluenceError(f"expected one metric or more, got none. Known: {', '.join(METRICS)}")
    if len({m.name for m in found}) < len(found):
        raise InfluenceError(f"expected metrics that differ, got {[m.name for m in found]}")
    for metric in found:
        if METRICS.get(metric.name, metric) is not metric:
            raise InfluenceError(
                f"a metric of your own is called {metric.name!r}, and so is one that comes with "
                "the library. Give it another name"
            )
    return found


def _look_up_one(wanted: object) -> Metric | StatefulMetric:
    if isinstance(wanted, str) and wanted in SETS:
        members = ", ".join(SETS[wanted].names())
        raise InfluenceError(f"expected one metric, got the set {wanted!r}. Name one of {members}")
    if isinstance(wanted, str) and not is_factory(wanted):
        if wanted not in METRICS:
            raise unknown("metric", wanted, [*METRICS, *SETS])
        return METRICS[wanted]
    metric = _make(wanted) if isinstance(wanted, str) else wanted
    if is_accumulator(metric):
        return make_stateful(metric)  # type: ignore[arg-type]
    if not isinstance(metric, (Metric, StatefulMetric)):
        shown = f"{wanted}: " if isinstance(wanted, str) else ""
        raise InfluenceError(f"{shown}expected {FORMS}, got {type(metric).__name__}")
    return metric


FORMS = (
    "a metric: a name, a function under @influence.metric(higher_is_better=...), a Metric, or an "
    "object with update, compute and reset, as of torchmetrics"
)


def _make(text: str) -> object:
    try:
        return make(text)
    except InfluenceError as error:
        raise InfluenceError(f"{error}. There has to be {FORMS}") from error


def default_metrics(output: Output, target: Field | None) -> list[Metric]:
    """Choose the metrics of an output from its kind and its ground truth.

    Depth gets the measures of the paper's Table I; label maps mean IoU and pixel accuracy; labels
    of whole samples accuracy and cross entropy; anything else squared and absolute error. An output
    without ground truth, `None`, gets change metrics.

    >>> [m.name for m in default_metrics(Output("s", "logits"), Field((4, 4), integer=True))]
    ['mean_iou', 'pixel_accuracy']
    >>> [m.name for m in default_metrics(Output("s", "logits"), None)]
    ['kl_divergence', 'changed_labels']
    """
    classes = output.kind in ("probabilities", "logits")
    if target is None:
        of_kind = "kl_divergence changed_labels" if classes else "absolute_change"
        names = "relative_change" if output.kind == "depth" else of_kind
    elif output.kind == "depth":
        names = "abs_rel sqr_rel log10 rms rms_log delta_1 delta_2 delta_3"
    elif classes or target.integer:
        names = "mean_iou pixel_accuracy" if target.shape else "accuracy cross_entropy"
    else:
        names = "mse mae"
    return find_metrics(names.split())
