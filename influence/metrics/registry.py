"""The registry of metrics: by name, as sets of a publication, and for the outputs of a network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from influence.data.dataset import DataFacts, Field
from influence.errors import InfluenceError, unknown
from influence.metrics.change import CHANGE_METRICS
from influence.metrics.labels import LABEL_METRICS
from influence.metrics.metric import Metric
from influence.metrics.multilabel import MULTILABEL_METRICS
from influence.metrics.sets import SETS, Part, spell_out
from influence.metrics.stateful import Accumulator, StatefulMetric, make_stateful
from influence.metrics.values import DEPTH_METRICS, DEPTH_RMS, ERROR_METRICS, without_range
from influence.network.joint_network import JointNetwork, Output
from influence.network.modality import claim_tensors
from influence.runtime.factories import is_factory, make

__all__ = [
    "METRICS",
    "Wanted",
    "default_metrics",
    "expand_sets",
    "find_metrics",
    "find_stateful",
    "holds_labels",
    "match_metrics",
    "of_kind",
    "of_rows",
]

Wanted = str | Metric | StatefulMetric | Accumulator
"""How a metric is asked for: by name, as ``module:name``, or as an object."""


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *DEPTH_METRICS,
        *LABEL_METRICS,
        *MULTILABEL_METRICS,
        *ERROR_METRICS,
        *CHANGE_METRICS,
    )
}
"""The library's metrics by name."""

FORMS = (
    "a metric: a name, a function under @influence.metric(higher_is_better=...), a Metric, or an "
    "object with update, compute and reset, as of torchmetrics"
)


def find_metrics(wanted: Iterable[Wanted]) -> list[Metric]:
    """Look up metrics, leaving out the stateful ones, which `find_stateful` returns.

    Parameters
    ----------
    wanted
        Names of `METRICS`, `Metric` records (such as `influence.metric` makes), objects with
        ``update``, ``compute`` and ``reset`` (as of torchmetrics), or ``module:name`` of one of
        these or of a factory that returns one.

    Raises
    ------
    InfluenceError
        If a name is unknown, an object is no metric, two metrics share a name, or `wanted` is
        empty.

    Examples
    --------
    >>> [m.name for m in find_metrics(["rms"])]
    ['rms']
    """
    return [metric for metric in _look_up(wanted) if isinstance(metric, Metric)]


def find_stateful(wanted: Iterable[Wanted]) -> list[StatefulMetric]:
    """Look up the stateful metrics; arguments as for `find_metrics`.

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
        if metric is not DEPTH_RMS and METRICS.get(metric.name, metric) is not metric:
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
    try:
        metric = make(wanted) if isinstance(wanted, str) else wanted
    except InfluenceError as error:
        raise InfluenceError(f"{error}. Expected {FORMS}") from error
    if isinstance(metric, Accumulator) and not isinstance(metric, type):
        return make_stateful(metric)
    if not isinstance(metric, (Metric, StatefulMetric)):
        shown = f"{wanted}: " if isinstance(wanted, str) else ""
        raise InfluenceError(f"{shown}expected {FORMS}, got {type(metric).__name__}")
    return metric


def of_kind(metric: Metric, kind: str) -> Metric:
    """Return what a metric means for an output of a kind: `rms` of depth is `depth_rms`.

    Depth is scored as in the publications, which call it rms: where the truth is positive.

    >>> of_kind(METRICS["rms"], "depth").statistic.name
    'depth_errors'
    """
    return DEPTH_RMS if kind == "depth" and metric is METRICS["rms"] else metric


def of_rows(metric: Metric, statistics: Collection[str]) -> Metric:
    """Return what a metric means for an output of which rows of these statistics are stored.

    An `rms` was measured of depth, or by version 0.1, if it has no rows of its own; version 0.1
    took `accuracy` from the counts of classes.

    >>> of_rows(METRICS["rms"], ["depth_errors", "errors"]).statistic.name
    'depth_errors'
    >>> of_rows(METRICS["accuracy"], ["class_counts"]).statistic.name
    'class_counts'
    """
    if metric.statistic.name in statistics:
        return metric
    counts = METRICS["pixel_accuracy"]
    if metric is METRICS["accuracy"] and counts.statistic.name in statistics:
        return replace(metric, statistic=counts.statistic, formula=counts.formula)
    return of_kind(metric, "depth")


def expand_sets(
    network: JointNetwork, data: DataFacts, wanted: Mapping[str, Sequence[Wanted]] | None
) -> dict[str, list[Wanted]] | None:
    """Replace the names of sets, such as ``hybridnet``, by the metrics that fit each output.

    These are the set's metrics of labels for class scores and for outputs whose ground truth is
    integer, and its metrics of values for any other. As the latter are of depth maps, `rms` is
    `depth_rms` for outputs that are not declared as depth. Parameters are those of `match_metrics`.

    Raises
    ------
    InfluenceError
        If a set has no metric that fits an output.
    """
    outputs = {o.name: o for o in network.outputs}
    found: dict[str, list[Wanted]] = {}
    for name, metrics in (wanted or {}).items():
        output = outputs.get(name, Output(name))
        part = _part(output, data.targets.get(name))
        for metric in metrics:
            if isinstance(metric, str) and metric in SETS and not SETS[metric].names(part):
                raise InfluenceError(
                    f"output {name!r} holds {part}, and the set {metric!r} has no metric for them. "
                    "Name another set or metric: influence show metrics"
                )
        of_set = {"rms": "depth_rms"} if output.kind != "depth" and "rms" not in metrics else {}
        found[name] = [
            of_set.get(metric, metric) if isinstance(metric, str) else metric
            for metric in spell_out(metrics, part)
        ]
    return found or None


def _part(output: Output, truth: Field | None) -> Part:
    integer = truth is not None and holds_labels(output, truth)
    return "labels" if integer or output.kind in ("probabilities", "logits") else "values"


def holds_labels(output: Output, truth: Field) -> bool:
    """Return whether the ground truth of an output consists of labels.

    These are integers, except for outputs of kind depth or image: integers there are values.

    >>> holds_labels(Output("y", "image"), Field((3, 4, 4), integer=True))
    False
    """
    return truth.holds_labels and output.kind not in ("depth", "image")


def default_metrics(output: Output, target: Field | None) -> list[Metric]:
    """Choose the metrics of an output from its kind and its ground truth.

    Depth gets the measures of Table I of arXiv 1702.08009; label maps mean IoU and pixel accuracy;
    labels of whole samples accuracy and cross entropy; labels that exclude none other accuracy, F1
    and binary cross entropy; anything else squared and absolute error. An output without ground
    truth (`target` is `None`) gets change metrics.

    Raises
    ------
    InfluenceError
        If the output holds boxes or text, for which there is no metric in the library.

    Examples
    --------
    >>> [m.name for m in default_metrics(Output("s", "logits"), Field((4, 4), integer=True))]
    ['mean_iou', 'pixel_accuracy']
    >>> [m.name for m in default_metrics(Output("s", "logits"), None)]
    ['kl_divergence', 'changed_labels']
    """
    classes = output.kind in ("probabilities", "logits")
    if output.kind in ("boxes", "text"):
        raise InfluenceError(
            f"output {output.name!r} is of kind {output.kind!r}, which has no default metrics. "
            f"Give some: metrics={{{output.name!r}: [...]}}, such as a torchmetrics object "
            f"({'MeanAveragePrecision()' if output.kind == 'boxes' else 'CharErrorRate()'}) or a "
            "function under @influence.metric(higher_is_better=...), which gets one sample at a "
            "time; or score the other outputs only, metrics={output: [name, ...]}"
        )
    if target is None:
        general = "kl_divergence changed_labels" if classes else "absolute_change"
        names = "relative_change" if output.kind == "depth" else general
    elif output.kind == "depth":
        names = "abs_rel sqr_rel log10 rms rms_log delta_1 delta_2 delta_3"
    elif output.kind == "multilabel":
        names = "label_accuracy label_f1 binary_cross_entropy"
    elif classes or holds_labels(output, target):
        names = "mean_iou pixel_accuracy" if target.shape else "accuracy cross_entropy"
    else:
        names = "mse mae"
    return find_metrics(names.split())


def match_metrics(
    network: JointNetwork, data: DataFacts, wanted: Mapping[str, Sequence[Wanted]] | None
) -> tuple[dict[str, tuple[Metric, ...]], dict[str, tuple[StatefulMetric, ...]]]:
    """Check that network and data fit together, and look up the metrics of each output.

    Parameters
    ----------
    network, data
        The network to measure and the data to measure it on.
    wanted
        Output -> metrics as for `find_metrics`; `None` for all outputs with `default_metrics`.

    Returns
    -------
    tuple
        Output -> metrics, empty if it has only stateful ones; and output -> stateful metrics, for
        outputs that have such.

    Raises
    ------
    InfluenceError
        If the network's inputs, outputs or classes differ from those of the data, or a metric needs
        ground truth that the data do not hold, or a range that nothing declares.
    """
    _check_inputs(network, data)
    outputs = {o.name: o for o in network.outputs}
    for name in wanted or ():
        if name not in outputs:
            raise unknown("output", name, outputs)
    metrics: dict[str, tuple[Metric, ...]] = {}
    stateful: dict[str, tuple[StatefulMetric, ...]] = {}
    for name in wanted or outputs:
        truth = data.targets.get(name)
        found: Sequence[Metric | StatefulMetric] = (
            _look_up(wanted[name]) if wanted else default_metrics(outputs[name], truth)
        )
        kind = outputs[name].kind
        metrics[name] = tuple(of_kind(m, kind) for m in found if isinstance(m, Metric))
        _check_range(outputs[name], truth, metrics[name])
        if keeping := tuple(m for m in found if isinstance(m, StatefulMetric)):
            stateful[name] = keeping
        if truth is not None:
            _check_classes(network, data, outputs[name], truth)
        elif needing := [m.name for m in found if isinstance(m, StatefulMetric) or m.needs_truth]:
            free = ", ".join(m.name for m in METRICS.values() if not m.needs_truth)
            raise InfluenceError(
                f"network {network.name!r} predicts {name!r}, but {data.source} holds ground truth "
                f"for {sorted(data.targets)}, and {needing[0]!r} needs it. Rename it, or "
                "score only the outputs that have ground truth: metrics={output: [name, ...]}. "
                f"Without ground truth: {free}"
            )
    return metrics, stateful


def _check_range(output: Output, truth: Field | None, metrics: Sequence[Metric]) -> None:
    limits = output.range or (truth.range if truth else None)
    if limits is not None and not limits[0] < limits[1]:
        raise InfluenceError(
            f"output {output.name!r}: expected a range (low, high) with low < high, got {limits}"
        )
    for metric in metrics:
        if metric.needs_range and limits is None:
            raise InfluenceError(without_range(output.name, metric.name))


def _check_inputs(network: JointNetwork, data: DataFacts) -> None:
    for modality in network.inputs:
        for tensor in claim_tensors(modality):
            if not _holds(data, tensor):
                whole = tensor == modality.name
                raise InfluenceError(
                    f"network {network.name!r} takes the inputs "
                    f"{[m.name for m in network.inputs]}, but {data.source} holds "
                    f"{sorted(data.inputs)}: {tensor!r}"
                    f"{'' if whole else f' of input {modality.name!r}'} is missing. Rename one or "
                    "the other"
                    + (
                        ", or say where it lies: Modality(tensors=...) or (path=...)"
                        if whole
                        else ""
                    )
                )
        first = data.inputs.get(claim_tensors(modality)[0])
        if modality.slice is None and first is not None and not modality.fits(first.shape):
            shown = tuple("any" if d is None else d for d in modality.shape or ())
            raise InfluenceError(
                f"{data.source}: inputs/{modality.name} has shape {first.shape} a sample, network "
                f"{network.name!r} expects {shown}. Write the file in that shape, or export the "
                "network with the shapes it is to be used on"
            )


def _holds(data: DataFacts, tensor: str) -> bool:
    """Return whether data hold a tensor, or values inside nested inputs of this name."""
    return any(name == tensor or name.startswith(f"{tensor}.") for name in data.inputs)


def _check_classes(network: JointNetwork, data: DataFacts, output: Output, truth: Field) -> None:
    predicted, labelled = output.classes, truth.classes
    different = [c.casefold() for c in predicted] != [c.casefold() for c in labelled]
    if predicted and labelled and different:
        raise InfluenceError(
            f"{data.source}: targets/{output.name} has the classes {', '.join(labelled)}, network "
            f"{network.name!r} predicts {', '.join(predicted)}. Bring the labels into the "
            "network's order"
        )
