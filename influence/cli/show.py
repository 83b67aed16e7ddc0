"""``influence show``: which metrics and mutes there are, and what a file holds."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from influence.cli import options
from influence.cli.measure import measure
from influence.cli.options import translate
from influence.cli.output import echo
from influence.errors import InfluenceError, unknown
from influence.runtime.factories import is_factory

if TYPE_CHECKING:
    from influence.network.joint_network import JointNetwork

__all__ = ["show"]

_HDF5 = b"\x89HDF"  # how evaluation files begin

FREE = 128
"""Length that is assumed for an axis to which a checkpoint gives none."""

MOST = 2**26
"""Inputs of more values than this are not made up; an evaluation file has to give them."""


def _metric_lines() -> list[str]:
    from influence.metrics.registry import METRICS, of_kind
    from influence.metrics.sets import SETS

    lines = [
        f"{m.name:28s} {'higher' if m.higher_is_better else 'lower':6s} is better"
        + (f"  [{m.unit.format(unit='unit of the truth')}]" if m.unit else "")
        + ("" if m.needs_truth else "  needs no ground truth")
        + ("  needs a range" if m.needs_range else "")
        + ("" if of_kind(m, "depth") is m else "  of kind depth: depth_rms")
        for m in METRICS.values()
    ]
    for name, known in SETS.items():
        lines.append(f"{name:28s} a set, of {known.source}")
        for part, printed in (("labels", known.labels), ("values", known.values)):
            listed = ", ".join(f"{m} ({title})" if title else m for m, title in printed.items())
            lines += [f"  of {part}: {listed}"] if listed else []
    return lines


def _mute_lines() -> list[str]:
    from influence.mutes.registry import MUTES, PANEL

    return [
        *(f"{m.name:18s} {m.summary}{f' ({m.scope})' if m.kinds else ''}" for m in MUTES.values()),
        f"{'constant:VALUE':18s} the value everywhere, such as constant:0.5",
        f"{'panel':18s} {', '.join(PANEL)}: those that are defined for the network",
    ]


def _data_lines(path: str) -> list[str]:
    from influence.data.evaluation_file import EvaluationFile

    data = EvaluationFile(path)
    groups = "none" if data.groups is None else str(len(set(data.groups.tolist())))
    lines = [f"{data.name}: evaluation file, {len(data)} samples, groups: {groups}"]
    for part, fields in (("inputs", data.inputs), ("targets", data.targets)):
        for name, field in fields.items():
            known = {
                "unit": field.unit,
                "ignore": field.ignore,
                "range": field.range,
                "classes": ", ".join(field.classes),
            }
            facts = [f"{key} {value}" for key, value in known.items() if value not in ("", None)]
            kind = "labels" if field.holds_labels else "values"
            shape = _product(field.shape) or "one value"
            lines.append("; ".join([f"  {part}/{name}: {kind}, {shape}", *facts]))
    return [*lines, f"  sha256 {data.sha256}"]


def _network_lines(net: JointNetwork, data: str | None) -> list[str]:
    count = sum(p.numel() for p in net.module.parameters())
    count = count or sum(b.numel() for b in net.module.buffers())
    from influence.network.modality import Modality, Output

    facts = net.facts()
    plain = {"inputs": asdict(Modality("")), "outputs": asdict(Output(""))}
    lines = [f"{net.name}: network, {count} weights, seed {net.seed}"]
    for part in ("inputs", "outputs"):
        for item in facts[part]:
            known = {k: v for k, v in item.items() if k == "kind" or v != plain[part].get(k)}
            known.pop("name", None)
            lines.append(f"  {part}/{item['name']}: {json.dumps(known)}")
    lines += [f"  {k}: {facts[k]}" for k in ("trained_on", "notes") if facts[k]]
    return [*lines, *_computation_lines(net, _sample_inputs(net, data)),
            *([f"  sha256 {net.sha256}"] if net.sha256 else [])]  # fmt: skip


def _sample_inputs(net: JointNetwork, data: str | None) -> dict[str, Any]:
    """Return two samples of each input, of a file or of the checkpoint's shapes, if known."""
    import numpy as np
    import torch

    from influence.data.evaluation_file import EvaluationFile
    from influence.mutes.mute import NUMBERS
    from influence.runtime.values import cast

    if data:
        opened = EvaluationFile(data)
        try:
            leaves = net.split(opened.read(np.arange(2) % len(opened)).shown)
        except InfluenceError as error:
            raise InfluenceError(f"{data}: {error}") from error
        return {n: cast(x, torch.device("cpu"), net.dtype) for n, x in leaves.items()}
    plain = net.layout.leaves == [m.name for m in net.inputs]
    if not plain or any(m.shape is None or m.kind not in NUMBERS for m in net.inputs):
        return {}
    shapes = {m.name: [n or FREE for n in m.shape or ()] for m in net.inputs}
    if max(map(math.prod, shapes.values()), default=0) > MOST:
        return {}
    return {name: torch.zeros(2, *shape) for name, shape in shapes.items()}


def _computation_lines(net: JointNetwork, clean: Mapping[str, Any]) -> list[str]:
    """Say what a measurement of one sample costs, and where the modalities meet."""
    import numpy as np

    from influence.engine.sharing.costs import count_costs
    from influence.engine.sharing.tapped_graph import meetings
    from influence.mutes.batch_inputs import BatchInputs
    from influence.mutes.registry import MUTES
    from influence.plan.setups import FULL, NO_MUTE, Condition, choose_setups

    if not clean:
        return ["  computation: name an evaluation file with --data for the shapes of the inputs"]
    known = {m.name: m for m in net.inputs}
    mutes = {"zero": MUTES["zero"]}
    batch = BatchInputs(clean, np.arange(2), known, mutes, owners=net.layout.owners)
    sizes = ", ".join(f"{name} {_product(tuple(x.shape[1:]))}" for name, x in clean.items())
    try:
        setups = (
            choose_setups([m.name for m in net.sources], list(known)) if len(known) > 1 else [FULL]
        )
        conditions = [Condition("zero" if s else NO_MUTE, s) for s in setups]
        costs = count_costs(net, batch, conditions)
        met = [translate(line, measure) for line in meetings(net, batch)]
    except Exception as error:  # a network may raise anything for inputs of this size
        return [
            f"  computation: unknown for {sizes}: {str(error).partition(chr(10))[0]} "
            "(name an evaluation file that fits with --data)"
        ]
    return [
        f"  computation, one sample of {sizes}:",
        f"    one forward pass            {costs.forward / 1e9:10.4g} GFLOPs",
        f"    full and each input muted   {costs.plain / 1e9:10.4g} GFLOPs, each by itself",
        f"    the same with shared work   {costs.shared / 1e9:10.4g} GFLOPs, and once in a run "
        f"{costs.shared_once / 1e9:.4g} (by a constant mute)",
        *(f"    {line}" for line in met),
    ]


def _check_lines(path: str) -> list[str]:
    """Say what of a file, or of the rows of a run, was found as its checksums say."""
    from influence.network.checkpoint_check import check_checkpoint
    from influence.runtime.reading.hdf5_check import check_hdf5

    rows = os.path.join(path, "rows.h5")
    for found in (path, rows):
        if _is_hdf5(found):
            return check_hdf5(found)
    return check_checkpoint(path)


def _is_hdf5(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(len(_HDF5)) == _HDF5


def _product(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


@click.command()
@click.argument("what", metavar="metrics|mutes|FILE|MODULE:FACTORY")
@options.network
@click.option(
    "--data", metavar="FILE", help="An evaluation file, for the shapes of a checkpoint's inputs."
)
@click.option(
    "--check", is_flag=True,
    help="Read every byte of a file (or of a run's rows.h5) and compare the checksums in it.",
)  # fmt: skip
def show(what: str, data: str | None, check: bool, **asked: Any) -> None:
    """List metrics or mutes, or describe a checkpoint, a network or an evaluation file.

    Of a checkpoint it also shows what a measurement computes, where its inputs meet, and which
    edges inside the network can be muted.
    """
    if check:
        lines = _check_lines(what)
    elif what == "metrics":
        lines = _metric_lines()
    elif what == "mutes":
        lines = _mute_lines()
    elif is_factory(what):
        (net,) = options.load_networks([], asked | {"network": what})
        lines = _network_lines(net, data)
    elif _is_hdf5(what):
        lines = _data_lines(what)
    elif os.path.exists(what) or what.endswith(".pt2"):
        (net,) = options.load_networks([what], asked)
        lines = _network_lines(net, data)
    else:
        raise unknown("file or topic", what, ["metrics", "mutes"])
    echo("\n".join(lines))
