"""``influence show``: what is available, and what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from influence.errors import InfluenceError, unknown

if TYPE_CHECKING:
    from influence.network.joint_network import JointNetwork

__all__ = ["show"]


def _metric_lines() -> list[str]:
    from influence.metrics.registry import METRICS, SETS

    lines = [
        f"{m.name:28s} {'higher' if m.higher_is_better else 'lower':6s} is better"
        + (f"  [{m.unit.format(unit='unit of the truth')}]" if m.unit else "")
        + ("" if m.needs_truth else "  needs no ground truth")
        for m in METRICS.values()
    ]
    for name, known in SETS.items():
        lines.append(f"{name:28s} a set, of {known.source}")
        for part, names in (("labels", known.labels), ("values", known.values)):
            told = ", ".join(f"{m} ({printed})" if printed else m for m, printed in names.items())
            lines += [f"  of {part}: {told}"] if told else []
    return lines


def _mute_lines() -> list[str]:
    from influence.mutes.registry import MUTES, PANEL

    lines = []
    for mute in MUTES.values():
        only = f" ({mute.scope})" if mute.kinds else ""
        lines.append(f"{mute.name:18s} {mute.summary}{only}")
    return [
        *lines,
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
            facts = {
                "unit": field.unit,
                "ignore": field.ignore,
                "range": field.range,
                "classes": ", ".join(field.classes),
            }
            told = "; ".join(f"{k} {v}" for k, v in facts.items() if v not in ("", None))
            shape = " x ".join(map(str, field.shape)) or "one value"
            kind = "labels" if field.integer and field.scale is None else "values"
            lines.append(f"  {part}/{name}: {kind}, {shape}{f'; {told}' if told else ''}")
    return [*lines, f"  sha256 {data.sha256}"]


FREE = 128
"""What is taken for the length of an axis that a checkpoint leaves free."""


def _computation_lines(net: JointNetwork, data: str | None) -> list[str]:
    """Say what a measurement costs, and where the modalities meet."""
    import numpy as np
    import torch

    from influence.data.evaluation_file import EvaluationFile
    from influence.engine.sharing.costs import count_costs
    from influence.engine.sharing.tapped_graph import meetings
    from influence.mutes.mute import BatchInputs
    from influence.mutes.registry import MUTES
    from influence.plan.conditions import NO_MUTE, Condition
    from influence.plan.setups import FULL, choose_setups

    known = {m.name: m for m in net.inputs}
    if data:
        fields = EvaluationFile(data).inputs
        if missing := [name for name in known if name not in fields]:
            raise InfluenceError(f"{data} holds no inputs/{missing[0]}. Name the file that fits")
        shapes = {name: fields[name].shape for name in known}
    elif all(m.shape is not None for m in net.inputs):
        shapes = {m.name: tuple(n or FREE for n in m.shape or ()) for m in net.inputs}
    else:
        return ["  computation: name an evaluation file with --data for the shapes of the inputs"]
    clean = {name: torch.zeros(2, *shape) for name, shape in shapes.items()}
    signals = BatchInputs(clean, np.arange(2), known, {"zero": MUTES["zero"]})
    sizes = ", ".join(f"{n} {' x '.join(map(str, shape))}" for n, shape in shapes.items())
    try:
        setups = choose_setups(list(known), list(known)) if len(known) > 1 else [FULL]
        conditions = [Condition("zero" if s else NO_MUTE, s) for s in setups]
        costs = count_costs(net, signals, conditions)
        met = list(meetings(net, signals))
    except Exception as error:  # whatever a network does with inputs of this size
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


def _checkpoint_lines(path: str, data: str | None) -> list[str]:
    import json

    from influence.network.checkpoints import load_checkpoint

    net = load_checkpoint(path)
    count = sum(p.numel() for p in net.module.parameters())
    count = count or sum(b.numel() for b in net.module.buffers())
    facts = net.facts()
    lines = [f"{net.name}: network, {count} weights, seed {net.seed}"]
    for part in ("inputs", "outputs"):
        for item in facts[part]:
            told = {k: v for k, v in item.items() if k != "name" and v not in (None, "", (), [])}
            lines.append(f"  {part}/{item['name']}: {json.dumps(told)}")
    lines += [f"  {k}: {facts[k]}" for k in ("trained_on", "notes") if facts[k]]
    return [*lines, *_computation_lines(net, data), f"  sha256 {net.sha256}"]


@click.command()
@click.argument("what", metavar="metrics|mutes|FILE")
@click.option("--data", metavar="FILE", help="The evaluation file whose shapes a checkpoint gets.")
def show(what: str, data: str | None) -> None:
    """Show metrics, mutes, or what a checkpoint or an evaluation file holds."""
    if what == "metrics":
        lines = _metric_lines()
    elif what == "mutes":
        lines = _mute_lines()
    elif what.endswith(".pt2"):
        lines = _checkpoint_lines(what, data)
    elif Path(what).exists():
        lines = _data_lines(what)
    else:
        raise unknown("file or topic", what, ["metrics", "mutes"])
    click.echo("\n".join(lines))
