"""Study: all claims in all worlds, and all tables that are written of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.claims.claims import CLAIMS, Claim, Part
from experiments.claims.judgement import CONFIDENCE, adjust, combine, judge
from experiments.claims.sources import (
    Trained,
    find_networks,
    input_rows,
    measured_worlds,
    printed_world,
)
from experiments.claims.tables import (
    correlation_table,
    curve_table,
    fit_table,
    hull_table,
    network_table,
)
from experiments.claims.worlds import Measured, World
from experiments.publishing.files import write_csv
from experiments.sweep.study import CONDITIONS, Member, Sweep
from influence.plan.setups import NO_MUTE
from influence.statistics.bootstrap import Resampling

__all__ = [
    "CLAIMS_COLUMNS",
    "JUDGED_COLUMNS",
    "PAPER",
    "find_claims",
    "judge_claims",
    "write_study",
]

CLAIMS_COLUMNS = (
    "claim", "statement", "condition", "mute", "target", "quantity", "unit", "value", "low", "high",
    "confidence", "interval", "limit", "p_value", "p_holm", "resampled", "n_networks", "n_designs",
    "n_images", "verdict", "verdict_holm",
)  # fmt: skip
"""One row a part of a claim. `interval` says what `low` and `high` are: of the bootstrap over what
`resampled` names; what leaving one of the printed networks out can change; what rounding can; or a
band of the bootstrap that holds for all things counted at once. Only those of the bootstrap have a
confidence. The claim says that `value` is above `limit`; claim 5b that it is not. `p_holm` is
Holm's adjustment over all rows of a condition and mute; `verdict_holm` is the verdict if that stays
below 0.05, too."""

JUDGED_COLUMNS = ("claim", "statement", "condition", "mute", "parts", "verdict", "verdict_holm")
"""One row a claim: supported if all its parts are, contradicted if one is."""


def find_claims(worlds: Iterable[World], images: int) -> pd.DataFrame:
    """Judge all claims in some worlds.

    Claims that are not about influence are judged once a condition, with the mute ``none``.

    Parameters
    ----------
    images
        How many test images there are.

    Returns
    -------
    DataFrame
        With the columns `CLAIMS_COLUMNS`.
    """
    records, seen = [], set()
    for world in worlds:
        for claim in CLAIMS:
            mute = world.mute if claim.muted else NO_MUTE
            if (key := (claim.name, world.condition, mute)) not in seen:
                seen.add(key)
                records += [
                    _record(claim, part, world) | {"mute": mute, "n_images": images}
                    for part in claim.parts(world)
                ]
    frame = pd.DataFrame(records).assign(p_holm=np.nan, verdict_holm="")
    return adjust(frame[list(CLAIMS_COLUMNS)])


def _record(claim: Claim, part: Part, world: World) -> dict[str, Any]:
    found = part.found
    ends = (found.low, found.high) if part.sign > 0 else (-found.high, -found.low)
    drawn = "bootstrap" in found.interval or "band" in found.interval
    return {
        "claim": claim.name,
        "statement": claim.statement,
        "condition": world.condition,
        "target": part.target,
        "quantity": part.quantity,
        "unit": part.unit,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "confidence": CONFIDENCE if drawn else np.nan,
        "interval": found.interval,
        "limit": part.limit,
        "p_value": found.p_value,
        "resampled": found.resampled,
        "n_networks": part.networks or world.networks,
        "n_designs": part.designs or len(world.names),
        "verdict": judge(*ends, part.limit, np.nan if drawn else found.p_value),
    }


def judge_claims(findings: pd.DataFrame) -> pd.DataFrame:
    """Judge each claim by its parts.

    Returns
    -------
    DataFrame
        With the columns `JUDGED_COLUMNS`.
    """
    keys = ["claim", "statement", "condition", "mute"]
    records = [
        {
            **dict(zip(keys, key, strict=True)),
            "parts": len(own),
            "verdict": combine(own["verdict"]),
            "verdict_holm": combine(own["verdict_holm"]),
        }
        for key, own in findings.groupby(keys, sort=False)
    ]
    return pd.DataFrame(records, columns=list(JUDGED_COLUMNS))


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
