"""Omegas by mute: one row per direction, one column per mute, the range and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from influence.display.notation import display_of
from influence.display.table import Table
from influence.display.tables.arrangement import (
    SIGNIFICANT,
    arrange,
    checkpoints,
    describe,
    direction,
    records,
    run_columns,
    under_heading,
    write_headings,
)
from influence.results.selection import choose
from influence.results.verdict import UNTESTED, in_words, verdicts

__all__ = ["mutes_table"]

OMEGA, VERDICT = "ω", ("", "verdict")
RANGE = {"smallest": ("range", "smallest"), "largest": ("range", "largest")}
DISTANCES = {
    "distance": (": distance from the data", 1.0, 1),
    "outside": (": channels outside the data, %", 100.0, 0),
}
"""Column of `distance.csv` -> how its row is called, the factor, the decimals."""

SUBJECT = ["network", "seed", "dataset", "source"]
NAN = float("nan")
PLAIN: dict[str, Any] = {
    "value": NAN, "low": NAN, "high": NAN, "digits": 0, "text": "",
    "marked": False, "warned": False, "best": False,
}  # fmt: skip
"""A cell as it is where nothing else is known of it."""


def mutes_table(
    influence: pd.DataFrame,
    *,
    distance: pd.DataFrame | None = None,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    level: str = "all",
    interval: bool = True,
) -> Table:
    """Arrange the omegas of each direction under every mute, with their range and the verdict.

    Parameters
    ----------
    influence : frame with the columns of `influence.csv`, of one run or of several.
    distance : frame with the columns of `distance.csv`. Each source then has a row that says how
        far its muted input is from the data, and omegas whose muted input is beyond the threshold
        are marked. Of several places that of the largest distance counts.
    metric : names of metrics; by default one per target: mean IoU, the squared relative error, or
        else the first in the file.
    mute : names of mutes; all by default.
    level : `all`, a slice such as `class:floor`, or a pattern such as `class:*`.
    interval : whether the cells show the interval.

    Raises
    ------
    InfluenceError
        If a name is unknown, or two rows claim the same cell.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "mute": ["zero", "mean"], "source": "depth",
    ...     "target": "semantic", "metric": "mean_iou", "level": "all", "higher_is_better": True,
    ...     "unit": "", "omega": [0.0094, 0.0003], "omega_low": [0.001, -0.01],
    ...     "omega_high": [0.02, 0.01], "confidence": 0.95, "p_holm": [0.01, 0.8], "n": 654,
    ...     "checkpoint_sha256": "17ab"})
    >>> from influence.display.table import format_table
    >>> text = format_table(mutes_table(frame, interval=False), "text")
    >>> print(*text.splitlines()[4].split())
    a depth → semantic: mean IoU, % 0.94* 0.03 0.03 0.94 unstable sign: + zero; 0 mean
    """
    chosen = choose(influence, metric=metric, mute=mute, level=level)
    chosen = chosen.assign(direction=[direction(row) for row in records(chosen)])
    far = _farthest(distance, chosen)
    omegas = _omegas(chosen, far)
    entries = _by_source([omegas, *_judged(chosen), *_distances(far)])
    table = arrange(
        entries,
        (*run_columns(chosen), "direction"),
        "Cross-modality influence ω by mute",
        [*_notes(entries, far), *describe(omegas, interval=interval), *checkpoints(chosen)],
        interval=interval,
    )
    mutes = [(OMEGA, name) for name in chosen["mute"].unique()]
    return replace(table, headings=(*mutes, *RANGE.values(), VERDICT))


def _farthest(distance: pd.DataFrame | None, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return, for each muted input of the table, the place where it is farthest from the data."""
    columns = [*SUBJECT, "mute"]
    if distance is None or distance.empty:
        return pd.DataFrame(columns=[*columns, *DISTANCES, "threshold", "warning"])
    known = distance[distance["distance"].notna()]
    worst = known.loc[known.groupby(columns, dropna=False)["distance"].idxmax()]
    return chosen[columns].drop_duplicates().merge(worst, on=columns)


def _omegas(chosen: pd.DataFrame, far: pd.DataFrame) -> pd.DataFrame:
    display = chosen["metric"].map(display_of)
    gain = display.map(lambda shown: shown.gain)
    warned = far[far["warning"].astype(bool)][[*SUBJECT, "mute"]]
    beyond = chosen[[*SUBJECT, "mute"]].merge(warned, how="left", indicator=True)["_merge"]
    return chosen.assign(
        heading=write_headings(chosen, _mute),
        value=chosen["omega"] * gain,
        low=chosen["omega_low"] * gain,
        high=chosen["omega_high"] * gain,
        digits=display.map(lambda shown: shown.gain_digits),
        marked=chosen["p_holm"] < SIGNIFICANT,
        warned=(beyond == "both").to_numpy(),
    )


def _judged(chosen: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the cells right of the mutes: the ends of the range, and the verdict."""
    judged = verdicts(chosen, level="*")
    named_so = chosen[[*SUBJECT, "target", "metric", "level", "direction"]].drop_duplicates()
    judged = judged.merge(named_so, validate="one_to_one")
    display = judged["metric"].map(display_of)
    digits = display.map(lambda shown: shown.gain_digits)
    for end, heading in RANGE.items():
        value = judged[end] * display.map(lambda shown: shown.gain)
        yield under_heading(heading, judged).assign(value=value, digits=digits)
    yield under_heading(VERDICT, judged).assign(text=[in_words(row) for row in records(judged)])


def _distances(far: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the cells that say how far muted inputs are from the data."""
    for column, (words, factor, digits) in DISTANCES.items():
        yield far.assign(
            direction=far["source"] + words,
            heading=write_headings(far, _mute),
            value=far[column] * factor,
            digits=digits,
            warned=far["warning"],
        )


def _mute(row: Any) -> tuple[str, str]:
    return OMEGA, row.mute


def _by_source(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put cells together, those of a network's source one below the other."""
    filled = [
        part.assign(**{name: PLAIN[name] for name in PLAIN if name not in part})
        for part in parts
        if len(part)
    ]
    entries = pd.concat(filled, ignore_index=True)
    place = entries.groupby(SUBJECT, sort=False, dropna=False).ngroup()
    return entries.iloc[place.argsort(kind="stable")].reset_index(drop=True)


def _notes(entries: pd.DataFrame, far: pd.DataFrame) -> list[str]:
    notes = [
        "ω(source → target) = A(nothing muted) − A(source muted) under each mute, in the unit of "
        "A, which stands behind the direction; positive: the source helps the target.",
        "The sign is stable if the interval of every mute excludes zero on the same side (+ helps, "
        "− hurts, 0 includes zero).",
    ]
    if (entries["text"] == UNTESTED).any():
        notes.append(
            f"{UNTESTED.capitalize()} on metrics without a test; how much outputs change is never "
            "below zero, and says that they depend on the source, not that it helps."
        )
    if entries["marked"].any():
        notes.append(f"* p < {SIGNIFICANT:g} (sign-flip test, Holm).")
    if len(far):
        threshold = " or ".join(f"{number:g}" for number in far["threshold"].unique())
        notes.append(
            "Distance: of the features of a muted input from the clean ones where the inputs "
            f"meet, at the farthest place; ! above {threshold}: the network sees what is not like "
            "its data, and ω may be an artefact of the mute."
        )
    return notes
