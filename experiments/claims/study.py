"""Study: all worlds, all claims, all tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from experiments.claims.findings import find_claims, judge_claims
from experiments.claims.fit_tables import curve_table, fit_table
from experiments.claims.sources import (
    Trained,
    find_networks,
    input_rows,
    measured_worlds,
    printed_world,
)
from experiments.claims.tables import correlation_table, hull_table, network_table
from experiments.claims.worlds import Measured, World
from experiments.publishing.files import write_csv
from experiments.sweep.study import CONDITIONS, Member, Sweep
from influence.statistics.bootstrap import Resampling

__all__ = ["PAPER", "write_study"]

PAPER = ("cat60", "sum60", "cat10", "cat5", "cat1")
"""The designs of the paper."""


def write_study(sweep: Sweep, *, draws: int = 2000, partial: bool = False) -> Iterator[Path]:
    """Test the claims, and write the tables beside those of the sweep.

    Parameters
    ----------
    draws
        Of the bootstrap, and of all that is random.
    partial
        Do without networks that have not been measured.

    Raises
    ------
    InfluenceError
        If some have not been, unless `partial`.
    """
    found = {
        condition: find_networks(sweep, condition, partial=partial) for condition in CONDITIONS
    }
    inputs = input_rows(sweep)
    measured: list[tuple[Measured, list[Trained]]] = []
    for condition, networks in found.items():
        if networks:
            own = measured_worlds(condition, networks, inputs, Resampling(draws=draws))
            measured += [(world, networks) for world in own]
    paper = _paper(sweep)
    printed = printed_world({own.name: own.design for own in paper})
    worlds: list[World] = [*(world for world, _ in measured), printed]
    images = len(inputs.ids)
    for name, frame in _tables(worlds, images).items():
        yield write_csv(frame, sweep.reports / f"{name}.csv", digits=6)
    yield write_csv(hull_table(measured, printed), sweep.reports / "hull.csv", digits=6)
    balance = network_table(measured, printed, paper, images)
    yield write_csv(balance, sweep.reports / "balance.csv", digits=6)


def _tables(worlds: list[World], images: int) -> Mapping[str, pd.DataFrame]:
    findings = find_claims(worlds, images)
    wide = [world.among(_wide(world)) for world in worlds if isinstance(world, Measured)]
    return {
        "claims": findings,
        "judged": judge_claims(findings),
        "robustness": find_claims(wide, images),
        "fits": fit_table(worlds),
        "curves": curve_table(worlds),
        "correlations": correlation_table(worlds),
    }


def _wide(world: World) -> list[str]:
    """Name the designs that keep more than one channel: the others may decide all by themselves."""
    channels = world.observed("channels")
    return [name for name, count in zip(world.names, channels, strict=True) if count > 1]


def _paper(sweep: Sweep) -> list[Trained]:
    """Return the paper's networks, under the names that both have."""
    designs = sweep.settings.designs
    members = [Member(label, designs[label], "in-sample", 0) for label in PAPER]
    return [Trained(own.name, 0, own.label, own.design, Path()) for own in members]
