"""Matching: whether a network and a data set fit together, and what its outputs are scored by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from influence.data.dataset import DataFacts, Field
from influence.errors import InfluenceError, unknown
from influence.metrics.metric import Metric
from influence.metrics.registry import METRICS, Wanted, default_metrics, find_metrics, find_stateful
from influence.metrics.sets import SETS, Part, spell_out
from influence.metrics.stateful import StatefulMetric
from influence.network.joint_network import JointNetwork, Output

__all__ = ["expand_sets", "match_metrics", "match_stateful"]


def expand_sets(
    network: JointNetwork, data: DataFacts, wanted: Mapping[str, Sequence[Wanted]] | None
) -> dict[str, list[Wanted]] | None:
    """Put the metrics of a set, such as ``hybridnet``, in the place of its name.

    An output gets those of labels or those of values, as it is or as its ground truth is.
    Parameters are those of `match_metrics`.

    Raises
    ------
    InfluenceError
        If a set has no metric of what an output is.
    """
    outputs = {o.name: o for o in network.outputs}
    found: dict[str, list[Wanted]] = {}
    for name, own in (wanted or {}).items():
        part = _part(outputs.get(name, Output(name)), data.targets.get(name))
        for metric in own:
            if isinstance(metric, str) and metric in SETS and not SETS[metric].names(part):
                raise InfluenceError(
                    f"output {name!r} holds {part}, and the set {metric!r} has no metric of such. "
                    "Name another set or metric: influence show metrics"
                )
        found[name] = spell_out(own, part)
    return found or None


def _part(output: Output, truth: Field | None) -> Part:
    integer = output.kind != "depth" and truth is not None and truth.integer
    return "labels" if integer or output.kind in ("probabilities", "logits") else "values"


def match_metrics(
    network: JointNetwork,
    data: DataFacts,
    wanted: Mapping[str, Sequence[Wanted]] | None,
) -> dict[str, tuple[Metric, ...]]:
    """Check that network and data fit together, and choose the metrics of each output.

    Those that keep their own state are left to `match_stateful`; an output that is scored by such
    alone has an empty tuple.

    Parameters
    ----------
    network, data
        What shall be measured, and on what.
    wanted
        For each output to score, metrics as for `influence.metrics.registry.find_metrics`; `None`
        for all outputs with `influence.metrics.registry.default_metrics`.

    Raises
    ------
    InfluenceError
        If the network's inputs, outputs or classes are not those of the data.
    """
    for modality in network.inputs:
        if modality.name not in data.inputs:
            raise InfluenceError(
                f"network {network.name!r} takes the inputs "
                f"{[m.name for m in network.inputs]}, but {data.source} holds "
                f"{sorted(data.inputs)}: {modality.name!r} is missing. Rename one or the other"
            )
        found, declared = data.inputs[modality.name].shape, modality.shape
        if declared is not None and not (
            len(found) == len(declared)
            and all(d is None or d == f for d, f in zip(declared, found, strict=True))
        ):
            shown = tuple("any" if d is None else d for d in declared)
            raise InfluenceError(
                f"{data.source}: inputs/{modality.name} has shape {found} a sample, network "
                f"{network.name!r} expects {shown}. Write the file in that shape, or export the "
                "network with the shapes it is to be used on"
            )
    outputs = {o.name: o for o in network.outputs}
    for name in wanted or ():
        if name not in outputs:
            raise unknown("output", name, outputs)
    metrics: dict[str, tuple[Metric, ...]] = {}
    for name in wanted or outputs:
        truth = data.targets.get(name)
        metrics[name] = tuple(
            find_metrics(wanted[name]) if wanted else default_metrics(outputs[name], truth)
        )
        if truth is None:
            stateful = find_stateful(wanted[name]) if wanted else []
            needing: list[Metric | StatefulMetric] = [m for m in metrics[name] if m.needs_truth]
            needing += stateful
            if needing:
                raise _without_truth(network, data, name, needing[0].name)
            continue
        own, theirs = outputs[name].classes, truth.classes
        if own and theirs and [c.casefold() for c in own] != [c.casefold() for c in theirs]:
            raise InfluenceError(
                f"{data.source}: targets/{name} has the classes {', '.join(theirs)}, network "
                f"{network.name!r} predicts {', '.join(own)}. Bring the labels into the network's "
                "order"
            )
    return metrics


def _without_truth(
    network: JointNetwork, data: DataFacts, output: str, metric: str
) -> InfluenceError:
    free = ", ".join(m.name for m in METRICS.values() if not m.needs_truth)
    return InfluenceError(
        f"network {network.name!r} predicts {output!r}, but {data.source} holds ground truth for "
        f"{sorted(data.targets)}, and {metric!r} needs it. Rename it, or score only the outputs "
        f"that have ground truth: --metric output=name,... Without it: {free}"
    )


def match_stateful(
    wanted: Mapping[str, Sequence[Wanted]] | None,
) -> dict[str, tuple[StatefulMetric, ...]]:
    """Choose the metrics of each output that keep their own state; none by default."""
    found = {name: tuple(find_stateful(metrics)) for name, metrics in (wanted or {}).items()}
    return {name: stateful for name, stateful in found.items() if stateful}
