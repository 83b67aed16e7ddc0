"""``influence show``: what is available, and what a file holds."""

from __future__ import annotations

from pathlib import Path

import click

from influence.errors import unknown

__all__ = ["show"]


def _metric_lines() -> list[str]:
    from influence.metrics import METRICS

    return [
        f"{m.name:20s} {'higher' if m.higher_is_better else 'lower':6s} is better"
        + (f"  [{m.unit.format(unit='unit of the truth')}]" if m.unit else "")
        for m in METRICS.values()
    ]


def _mute_lines() -> list[str]:
    from influence.muting import MUTES

    lines = []
    for mute in MUTES.values():
        only = f" (inputs of kind {', '.join(sorted(mute.kinds))})" if mute.kinds else ""
        lines.append(f"{mute.name:15s} {mute.summary}{only}")
    return [*lines, f"{'constant:VALUE':15s} the value everywhere, such as constant:0.5"]


def _data_lines(path: str) -> list[str]:
    from influence.evaluation_file import EvaluationFile

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


def _checkpoint_lines(path: str) -> list[str]:
    import json

    from influence.checkpoints import load_checkpoint

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
    return [*lines, f"  sha256 {net.sha256}"]


@click.command()
@click.argument("what", metavar="metrics|mutes|FILE")
def show(what: str) -> None:
    """Show metrics, mutes, or what a checkpoint or an evaluation file holds."""
    if what == "metrics":
        lines = _metric_lines()
    elif what == "mutes":
        lines = _mute_lines()
    elif what.endswith(".pt2"):
        lines = _checkpoint_lines(what)
    elif Path(what).exists():
        lines = _data_lines(what)
    else:
        raise unknown("file or topic", what, ["metrics", "mutes"])
    click.echo("\n".join(lines))
