"""Maps of samples: an output, pixel by pixel, with nothing muted and with one source muted.

They are computed by the engine that measures, with the same mutes, random numbers and shuffled
partners, so that they show where in a sample its omega comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import Batch, EvaluationSet
from influence.data.evaluation_file import EvaluationFile
from influence.data.source import Data, Form, close_data, open_data, sample_count
from influence.engine.evaluation import try_out
from influence.engine.preparation import make_runners
from influence.engine.schedule import Schedule, choose_batches, order_samples
from influence.errors import InfluenceError
from influence.metrics.metric import Metric, Prediction, Reads, Statistic
from influence.metrics.registry import METRICS, holds_labels, match_metrics
from influence.mutes.registry import choose_mutes
from influence.network.joint_network import JointNetwork
from influence.network.sites import select_sites
from influence.plan.plan import Plan
from influence.results.sample_maps import SampleMaps
from influence.runtime.execution import Execution, Session
from influence.statistics.rows import RowKey

__all__ = ["Effect", "map_samples"]

Array = NDArray[np.float64]


def _labels(prediction: Prediction) -> Tensor:
    """Return the predicted class of each pixel and whether it has truth, (batch, 2 * pixels)."""
    return _beside_truth(prediction.labels(), prediction)


def _numbers(prediction: Prediction) -> Tensor:
    """Return the predicted value of each pixel and whether it has truth, (batch, 2 * pixels)."""
    return _beside_truth(prediction.aligned(), prediction)


def _beside_truth(predicted: Tensor, prediction: Prediction) -> Tensor:
    both = torch.stack([predicted.double(), prediction.valid().double()], dim=1)
    return both.reshape(len(predicted), -1)


def _pixels(update: Callable[[Prediction], Tensor], reads: Reads) -> Metric:
    return Metric(
        "pixels",
        Statistic(
            "pixels", update, lambda rows: np.split(rows, 2, axis=-1)[1].sum(-1), reads=reads
        ),
        lambda sums: np.full(sums.shape[:-1], np.nan),
        higher_is_better=True,
    )


PIXELS = {"labels": _pixels(_labels, "labels"), "values": _pixels(_numbers, "values")}
"""The pixels themselves, as a metric: labels, or values clamped to the range of the truth.

Its rows hold two numbers for each pixel of a sample: it is for few samples.
"""


@dataclass(frozen=True)
class Effect:
    """The effect of one source on one target: what a map shows.

    Parameters
    ----------
    source
        The site that is muted.
    target
        The output that is compared.
    mute
        The name of the mute that replaces the source.
    """

    source: str
    target: str
    mute: str


def map_samples(
    network: JointNetwork,
    data: Data,
    ids: Sequence[str],
    effect: Effect,
    *,
    seed: int = 0,
    limit: int | None = None,
    device: str = "auto",
) -> SampleMaps:
    """Predict chosen samples with nothing muted and with one source muted, pixel by pixel.

    The two predictions show in which pixels of a sample the source helps or hurts the target.

    Parameters
    ----------
    network
        The trained network.
    data
        The samples, as for `influence.measure`.
    ids
        Names of samples, each once.
    effect
        Source, target and mute.
    seed, limit
        Those of the measurement, on which shuffled partners and noise depend.
    device
        The device that computes, as for `influence.runtime.execution.Execution`.

    Returns
    -------
    SampleMaps
        The samples in the order of `ids`.

    Raises
    ------
    InfluenceError
        If a name is unknown, the target has one value a sample and no pixels, or the network and
        the data do not fit together.

    Examples
    --------
    >>> class Sum(torch.nn.Module):
    ...     def forward(self, x, y):
    ...         return x + y
    >>> net = JointNetwork(Sum(), inputs=("x", "y"), outputs=("total",))
    >>> x, y = torch.ones(3, 4), torch.arange(12.0).reshape(3, 4)
    >>> data = [({"x": x, "y": y}, {"total": x + y})]
    >>> map_samples(net, data, ["1"], Effect("y", "total", "zero")).gain.tolist()
    [[4.0, 5.0, 6.0, 7.0]]
    """
    dataset = open_data(data, form=Form(contexts=network.layout.contexts))
    count = sample_count(dataset, limit)
    positions = _positions(dataset, ids, count)
    target = effect.target
    plan = _plan(network, dataset, effect, seed)
    plan.check(network, count)
    batches, predicted = _run(network, dataset, plan, positions, count=count, device=device)
    close_data(dataset, data)
    known = [batch.targets[target] for batch in batches]
    truth = torch.cat([x for x in known if isinstance(x, Tensor)]).numpy()
    (output,) = (output for output in network.outputs if output.name == target)
    field = dataset.targets[target]
    labels = holds_labels(output, field)
    (full, has_truth), (muted, _) = predicted.reshape(2, 2, *truth.shape)
    valid = has_truth > 0
    pictures, pictured = _pictures(network, effect.source, dataset, batches)
    kind: type = np.int64 if labels else np.float64
    return SampleMaps(
        network=network.name,
        source=effect.source,
        target=target,
        mute=plan.mutes[0].name,
        ids=tuple(dataset.ids[position] for position in positions),
        truth=np.where(valid, truth.astype(kind), -1 if labels else np.nan),
        full=full.astype(kind),
        muted=muted.astype(kind),
        classes=output.classes or field.classes,
        unit=field.unit,
        pictures=pictures,
        pictured=pictured,
        given=_given(network, dataset, target, batches, truth.shape),
        range=output.range or field.range,
        facts={
            "seed": seed,
            "n": count,
            "checkpoint_sha256": network.sha256,
            "data_sha256": dataset.sha256,
        },
    )


def _positions(data: EvaluationSet, ids: Sequence[str], count: int) -> list[int]:
    """Find samples by their names."""
    known = {name: position for position, name in enumerate(list(data.ids)[:count])}
    if not ids or len(set(ids)) < len(ids):
        raise InfluenceError(f"expected one sample or more, each once, got {list(ids)}")
    for name in ids:
        if name not in known:
            near = get_close_matches(name, known) or list(known)[:3]
            raise InfluenceError(
                f"no sample {name!r} among the {count} of {data.source}: give ids such as "
                f"{', '.join(map(repr, near))}"
            )
    return [known[name] for name in ids]


def _plan(network: JointNetwork, data: EvaluationSet, effect: Effect, seed: int) -> Plan:
    target = effect.target
    (site,) = select_sites([effect.source], network.inputs)
    metrics, _ = match_metrics(network, data, {target: ["mae"]})
    (plain,) = metrics[target]
    if not data.targets[target].shape:
        raise InfluenceError(
            f"{data.source}: expected a target with pixels, but targets/{target} has one value a "
            "sample. Choose another target, or see the omegas of whole samples in samples.csv.gz"
        )
    (output,) = (output for output in network.outputs if output.name == target)
    labels = holds_labels(output, data.targets[target])
    if labels:
        plain = METRICS["pixel_accuracy"]
    mutes, _ = choose_mutes([effect.mute], network, [site])
    if len(mutes) != 1:
        raise InfluenceError(
            f"expected one mute, got {effect.mute!r}, which stands for {len(mutes)}: "
            f"{', '.join(mute.name for mute in mutes)}. Choose one of them"
        )
    (mute,) = mutes
    # The plain metric comes first: its message is clear if shapes or labels do not fit.
    return Plan((site,), (mute,), {target: (plain, PIXELS["labels" if labels else "values"])}, seed)


def _run(
    network: JointNetwork,
    data: EvaluationSet,
    plan: Plan,
    positions: Sequence[int],
    *,
    count: int,
    device: str,
) -> tuple[list[Batch], Array]:
    """Return the samples, and pixels and which have truth, (conditions, 2, samples, pixels)."""
    execution = Execution(device=device, batch_size=1, share=False)
    derangement = order_samples([network], data, [plan], count)
    alone = [np.array([position]) for position in positions]
    schedule = Schedule(choose_batches(data, alone, range(len(alone)), derangement, execution))
    runners = make_runners([network], data, [plan], execution, count=count)
    _, loaded = try_out(runners, schedule, execution, Session())
    (runner,) = runners
    found = [(batch, runner.run(batch, follower)) for _, batch, follower in loaded]
    (output,) = plan.metrics
    keys = [RowKey(c, output, PIXELS["labels"].statistic.name) for c in plan.conditions(network)]
    rows = np.stack([np.concatenate([of_batch[key] for _, of_batch in found]) for key in keys])
    return [batch for batch, _ in found], np.stack(np.split(rows, 2, axis=-1), axis=1)


def _pictures(
    network: JointNetwork, source: str, data: EvaluationSet, batches: Sequence[Batch]
) -> tuple[NDArray[Any] | None, str]:
    """Return pictures of the samples, and what they show.

    They are the pictures of the evaluation file; without these they show the source, or the first
    input where the source is an edge.
    """
    if isinstance(data, EvaluationFile):
        pictures = [p for b in batches if (p := data.picture(int(b.indices[0]))) is not None]
        if pictures:
            return np.stack(pictures), "picture"
    known = {modality.name: modality for modality in network.inputs}
    seen = known.get(source, network.inputs[0])
    values = _input(network, seen.name, batches)
    if values is None or values.ndim != 4:
        return None, ""
    maps = values.numpy()
    if seen.kind in ("probabilities", "logits"):
        shown = maps.argmax(axis=1)
    else:
        shown = maps.transpose(0, 2, 3, 1) if maps.shape[1] == 3 else maps.mean(axis=1)
    return shown, seen.name


def _input(network: JointNetwork, name: str, batches: Sequence[Batch]) -> Tensor | None:
    """Return the values of an input for all samples; `None` if they make no tensor."""
    leaf, *_ = network.layout.of(name)
    found = [network.split(batch.shown)[leaf] for batch in batches]
    tensors = [values for values in found if isinstance(values, Tensor)]
    alike = len(tensors) == len(found) and len({x.shape[1:] for x in tensors}) == 1
    return torch.cat(tensors) if alike else None


def _given(
    network: JointNetwork,
    data: EvaluationSet,
    target: str,
    batches: Sequence[Batch],
    shape: Sequence[int],
) -> NDArray[Any] | None:
    """Return the input that has the target's name, in the form of the truth, if there is one."""
    kinds = {modality.name: modality.kind for modality in network.inputs}
    field = data.targets[target]
    scores = kinds.get(target) in ("probabilities", "logits")
    if target not in kinds or field.holds_labels != scores:
        return None
    units = {data.inputs[target].unit if target in data.inputs else "", field.unit}
    if len(units - {""}) > 1:
        return None
    maps = _input(network, target, batches)
    if maps is None:
        return None
    given = (maps.argmax(dim=1) if scores else maps.squeeze(1)).numpy()
    return given if given.shape == tuple(shape) else None
