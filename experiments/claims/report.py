"""Report: the claims as a table for readers, from the CSVs alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from influence.display.table import Table, format_table
from influence.errors import InfluenceError
from influence.plan.setups import NO_MUTE

__all__ = ["blocks", "claims_table", "correlations_table", "fits_table"]

CONDITIONS = ("in-sample", "cross-fitted", "published")
PRINTED = "unstated"
MUTES = ("shuffle", "zero")
"""The mute that stays within the data first, then the one that is compatible with the paper."""

ROWS = ("condition", "mute", "x", "y", "source", "target", "kind", "quantity", "points", "method")
"""The columns, beside `images`, that name a row of the fits and correlations."""

RULE = (
    "Supported: the whole 95% interval of the quantity lies where the claim says; contradicted: "
    "none of it does, not even if it ends at the limit; else not decided. A claim of two parts "
    "needs both, and one contradicts it. Not after Holm: adjusted for all the claims of a "
    "condition and mute, it is not decided."
)
INTERVALS = (
    "Claims 1 to 2 need no mute, and are adjusted apart. Intervals: bootstrap over images and "
    "seeds, and over designs where the claim is about designs in general; those of counts are "
    "simultaneous bands; where influence and performance are related, they are measured on "
    "different halves of the images. Published: five networks (n = 5) without intervals of their "
    "own; brackets show what leaving one of them out, or rounding, can change, and a verdict also "
    "needs an exact test with p < 0.05 where there is one."
)


def claims_table(claims: pd.DataFrame, judged: pd.DataFrame, mute: str) -> Table:
    """Arrange one row a claim and one column a condition: verdict and evidence.

    Parameters
    ----------
    claims, judged
        Frames with the columns of `experiments.claims.study`.
    mute
        Which influences to show; those of the paper are shown beside them.
    """
    shown = (NO_MUTE, PRINTED, mute)
    claims, judged = (x[x["mute"].isin(shown)] for x in (claims, judged))
    keys = ["claim", "statement", "condition"]
    parts = dict(list(claims.groupby(keys, sort=False)))
    entries = [
        _entry(
            row.condition,
            f"{_verdict(row.verdict, row.verdict_holm)}: {_evidence(own)}",
            claim=f"{row.claim}. {row.statement}",
            quantity=_quantity(own),
        )
        for row in _rows(judged)
        for own in [parts[row.claim, row.statement, row.condition]]
    ]
    frame = pd.DataFrame(entries)
    frame["quantity"] = frame.groupby("claim")["quantity"].transform("first")
    counts = "; ".join(_counted(claims, condition) for condition in _present(claims["condition"]))
    return Table(
        frame,
        ("claim", "quantity"),
        f"The paper's claims, mute: {mute}",
        (RULE, INTERVALS, f"{counts}."),
        headings=tuple(("", condition) for condition in _present(claims["condition"])),
    )


def fits_table(fits: pd.DataFrame) -> Table:
    """Arrange linear against concave fits: one row a direction and mute, one column a number."""
    wanted = {
        ("linear", "slope"): "slope of the line",
        ("concave", "bend"): "bend",
        ("linear", "prediction_error"): "error of the line",
        ("concave", "prediction_error"): "error of the concave fit",
        ("concave", "f_statistic"): "p of the bend",
    }
    entries = []
    for row in _rows(_primary(fits)):
        if name := wanted.get((row.kind, row.quantity)):
            is_p, direction = row.quantity == "f_statistic", f"{row.source} → {row.target}"
            text = _share(row.p_value) if is_p else _number(row.value, *_ends(row), 2)
            rows = {"direction": direction, "inputs": row.condition, "mute": row.mute}
            entries.append(_entry(name, text, **rows))
    return Table(
        pd.DataFrame(entries),
        ("inputs", "mute", "direction"),
        "Performance fitted to influence",
        (
            "In the units of the performance: percentage points of mean IoU, 100·rel(sqr). Slope "
            "for one of influence; bend: how far the parabola lies above its chord in the middle "
            "of the range; error: root mean square of designs that are left out, of a line and of "
            "a parabola that is nowhere convex; p of the bend: F over pairings of residuals, which "
            "takes the means over seeds and images as they are.",
        ),
        headings=tuple(("", name) for name in wanted.values()),
    )


def correlations_table(correlations: pd.DataFrame) -> Table:
    """Arrange rank correlations over designs: one row a direction and mute."""
    own = _primary(correlations)
    own = own[own["points"] == "designs"]
    names = {
        ("omega", "performance"): "influence and performance",
        ("omega", "performance_muted"): "influence and performance without the source",
        ("balance", "performance"): "balance and performance",
    }
    entries = [
        {
            **_entry(
                row.method,
                _number(row.value, row.low, row.high, 2),
                inputs=row.condition,
                mute=row.mute,
                target=row.target,
            ),
            "heading": (names[row.x, row.y], row.method),
        }
        for row in _rows(own)
    ]
    return Table(
        pd.DataFrame(entries),
        ("inputs", "mute", "target"),
        "Rank correlations over designs",
        ("Influence is that of the other modality on the target. Brackets as for the claims.",),
    )


def blocks(folder: Path) -> dict[str, str]:
    """Return the tables in Markdown by name: `claims`, `claims_zero`, `fits`, `correlations`.

    Raises
    ------
    InfluenceError
        If the claims have not been tested.
    """
    claims, judged = _read(folder, "claims"), _read(folder, "judged")
    within, zero = MUTES
    found = {
        "claims": claims_table(claims, judged, within),
        "claims_zero": claims_table(claims, judged, zero),
        "fits": fits_table(_read(folder, "fits")),
        "correlations": correlations_table(_read(folder, "correlations")),
    }
    return {name: format_table(table, "md") for name, table in found.items()}


def _read(folder: Path, name: str) -> pd.DataFrame:
    try:
        return pd.read_csv(folder / f"{name}.csv", dtype={"claim": str, "unit": str})
    except OSError as error:
        raise InfluenceError(
            f"expected {name}.csv of the tested claims ({error}). Run python -m experiments.claims"
        ) from error


def _rows(frame: pd.DataFrame) -> Iterable[Any]:
    return frame.itertuples()


def _primary(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep what was measured on halves of the images, where it was, under two mutes."""
    keys = [name for name in frame if name in ROWS]
    halved = (frame["images"] == "halves").groupby([frame[name] for name in keys]).transform("any")
    chosen = (frame["images"] == "halves") | ~halved
    return frame[chosen & frame["mute"].isin([*MUTES, PRINTED])]


def _present(conditions: Iterable[str]) -> Sequence[str]:
    found = set(conditions)
    return [condition for condition in CONDITIONS if condition in found]


def _entry(column: str, text: str, **rows: str) -> dict[str, Any]:
    return rows | {
        "heading": ("", column), "value": np.nan, "low": np.nan, "high": np.nan, "digits": 2,
        "marked": False, "best": False, "text": text,
    }  # fmt: skip


def _verdict(verdict: str, after_holm: str) -> str:
    return verdict if verdict == after_holm else f"{verdict}, not after Holm"


def _quantity(parts: pd.DataFrame) -> str:
    """Say what quantity is shown, with the units of its parts if they have one."""
    units = [unit for unit in parts["unit"].dropna().unique() if not unit.startswith("of ")]
    unit = f", {' / '.join(units)}" if units else ""
    return f"{parts['quantity'].iloc[0]}{unit}"


def _evidence(parts: pd.DataFrame) -> str:
    found = []
    for row in _rows(parts):
        unit = "" if pd.isna(row.unit) else str(row.unit)
        counted = unit.startswith("of ")
        number = _number(row.value, row.low, row.high, 0 if counted else 2)
        target = "" if row.target == "both" else f"{row.target} "
        found.append(f"{target}{number}{f' {unit}' if counted else ''}")
    return "; ".join(found)


def _ends(row: Any) -> tuple[float, float]:
    """Return the interval; none of a printed fit's error, which leaves points out already."""
    twice = row.condition == CONDITIONS[-1] and row.quantity == "prediction_error"
    return (np.nan, np.nan) if twice else (row.low, row.high)


def _number(value: float, low: float, high: float, digits: int) -> str:
    if np.isnan(value):
        return "–"
    shown, *ends = (f"{round(x, digits) + 0.0:.{digits}f}" for x in (value, low, high))
    return shown if np.isnan(low) else f"{shown} [{', '.join(ends)}]"


def _share(p_value: float) -> str:
    return "–" if np.isnan(p_value) else "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _counted(claims: pd.DataFrame, condition: str) -> str:
    own = claims[claims["condition"] == condition]
    networks, designs, images = (own[f"n_{x}"].max() for x in ("networks", "designs", "images"))
    return f"{condition}: {networks} networks of {designs} designs, {images} images"
