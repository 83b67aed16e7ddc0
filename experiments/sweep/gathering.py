"""From the runs of the sweep to the tables that are published."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.sweep.study import Member, Sweep
from experiments.training.report_tables import METRICS, TABLES, published_rows
from influence.analysis.estimates import CELL, estimate_table, read_estimates
from influence.analysis.seeds import SEEDS_COLUMNS, aggregate_seeds
from influence.errors import InfluenceError
from influence.results.tables import read_tables
from influence.runtime.files import replace_on_success

__all__ = ["gather_designs", "gather_facts", "gather_seeds", "gather_tables"]

DIGITS = "%.8g"


def gather_tables(sweep: Sweep) -> Iterator[Path]:
    """Put the published rows of all runs together.

    Raises
    ------
    InfluenceError
        If a network has not been measured.
    """
    folders = measured(sweep, sweep.choose(()))
    for name in TABLES:
        frame = read_tables(folders, name, optional=name == "distance")
        if len(frame):
            yield _write(published_rows(frame), sweep.reports / f"{name}.csv")


def gather_seeds(sweep: Sweep) -> Iterator[Path]:
    """Put the seeds of each network together, with what training adds to the uncertainty.

    Omegas are drawn anew from the rows. Of performance and interactions only the intervals are
    known; what differs between seeds is then put down to training, see `aggregate_seeds`.
    """
    folders = measured(sweep, sweep.choose(()))
    omegas = aggregate_seeds(read_estimates(folders, METRICS))
    yield _write(published_rows(omegas), sweep.reports / "seeds.csv")
    plain = published_rows(read_tables(folders, "performance")).drop(columns="mute")
    interactions = published_rows(read_tables(folders, "interactions"))
    for frame, name, stand_ins in (
        (plain, "performance", {"setup": "mute"}),
        (interactions, "interactions", {"kind": "source", "players": "unit"}),
    ):
        table = _aggregated(frame, stand_ins)
        yield _write(table, sweep.reports / f"{name}_seeds.csv")


def _aggregated(frame: pd.DataFrame, stand_ins: dict[str, str]) -> pd.DataFrame:
    """Aggregate the seeds of another quantity than omega.

    `stand_ins` says in which column of an omega's a column of the frame goes through.
    """
    shape = {name: "" for name in SEEDS_COLUMNS if name in CELL} | {"higher_is_better": True}
    lacking = {name: value for name, value in shape.items() if name not in frame}
    columns = stand_ins | {"value": "omega", "low": "omega_low", "high": "omega_high"}
    lacking = {name: value for name, value in lacking.items() if name not in columns.values()}
    table = aggregate_seeds(estimate_table(frame.rename(columns=columns).assign(**lacking)))
    back = {new: old for old, new in stand_ins.items()} | {"omega": "value"}
    return table.drop(columns=list(lacking)).rename(columns=back)


def gather_designs(sweep: Sweep) -> Path:
    """Write what tells the networks apart, so that a reader of the tables need not guess."""
    rows = [
        {
            "network": member.name,
            "seed": member.seed,
            "design": member.label,
            "condition": member.condition,
            "fusion": member.design.fusion,
            "fused_channels": member.design.fused,
            "channels": member.design.channels,
        }
        for member in sweep.members()
    ]
    return _write(pd.DataFrame(rows), sweep.reports / "designs.csv")


def gather_facts(sweep: Sweep) -> Path:
    """Write how all networks were measured: what their runs say, networks put together."""
    members = sweep.choose(())
    infos = [json.loads((x / "run.json").read_text()) for x in measured(sweep, members)]
    together: dict[str, Any] = infos[0] | {
        "measured": infos[0]["measured"]
        | {"networks": [network for info in infos for network in info["measured"]["networks"]]},
        "notes": {key: notes for info in infos for key, notes in info["notes"].items()},
        "paths": {key: path for info in infos for key, path in info["paths"].items()},
        "seconds": {
            stage: round(sum(info["seconds"][stage] for info in infos), 3)
            for stage in infos[0]["seconds"]
        },
    }
    together.pop("samples_per_second", None)
    path = sweep.reports / "run.json"
    with replace_on_success(path) as aside:
        aside.write_text(json.dumps(together, indent=1) + "\n", encoding="utf-8")
    return path


def measured(sweep: Sweep, members: Sequence[Member]) -> list[Path]:
    """Return the run directories of networks.

    Raises
    ------
    InfluenceError
        If one has not been measured.
    """
    lacking = [x.place for x in members if not (sweep.run_folder(x) / "run.json").is_file()]
    if lacking:
        raise InfluenceError(
            f"{len(lacking)} of {len(members)} networks are not measured: {', '.join(lacking)}. "
            "Run `python -m experiments.sweep measure`"
        )
    return [sweep.run_folder(member) for member in members]


def _write(table: pd.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_on_success(path) as aside:
        table.to_csv(aside, index=False, float_format=DIGITS, lineterminator="\n")
    return path
