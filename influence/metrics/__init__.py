"""The metric suite: what is available by name, and what an output is scored with by default."""

from __future__ import annotations

from collections.abc import Iterable

from influence.errors import InfluenceError, unknown
from influence.evaluation_set import Field
from influence.metrics.labels import (
    ACCURACY,
    CLASS_ACCURACY,
    CROSS_ENTROPY,
    MEAN_IOU,
    PIXEL_ACCURACY,
)
from influence.metrics.metric import Metric, Prediction, Statistic
from influence.metrics.values import DEPTH_METRICS, ERROR_METRICS
from influence.network import Output

__all__ = ["METRICS", "Metric", "Prediction", "Statistic", "default_metrics", "find_metrics"]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *DEPTH_METRICS,
        MEAN_IOU,
        PIXEL_ACCURACY,
        CLASS_ACCURACY,
        ACCURACY,
        CROSS_ENTROPY,
        *ERROR_METRICS,
    )
}


def find_metrics(wanted: Iterable[str | Metric]) -> list[Metric]:
    """Look metrics up by name; records pass through.

    >>> [m.name for m in find_metrics(["rms"])]
    ['rms']
    """
    found = []
    for metric in wanted:
        if isinstance(metric, str):
            if metric not in METRICS:
                raise unknown("metric", metric, METRICS)
            metric = METRICS[metric]
        found.append(metric)
    if not found:
        raise InfluenceError(f"expected one metric or more, got none. Known: {', '.join(METRICS)}")
    if len({m.name for m in found}) < len(found):
        raise InfluenceError(f"expected metrics that differ, got {[m.name for m in found]}")
    return found


def default_metrics(output: Output, target: Field) -> list[Metric]:
    """Choose the metrics of an output from its kind and its ground truth.

    Depth gets the measures of the paper's Table I; label maps mean IoU and pixel accuracy; labels
    of whole samples accuracy and cross entropy; anything else squared and absolute error.

    >>> [m.name for m in default_metrics(Output("s", "logits"), Field((4, 4), integer=True))]
    ['mean_iou', 'pixel_accuracy']
    """
    if output.kind == "depth":
        names = "abs_rel sqr_rel log10 rms rms_log delta_1 delta_2 delta_3"
    elif output.kind in ("probabilities", "logits") or target.integer:
        names = "mean_iou pixel_accuracy" if target.shape else "accuracy cross_entropy"
    else:
        names = "mse mae"
    return find_metrics(names.split())
