"""Tables of omegas: by direction, by mute with the range and the verdict, and by sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from influence.display.notation import direction_heading, display_of, gain_heading, run_columns
from influence.display.table import (
    SIGNIFICANT,
    Heading,
    Table,
    in_metric_order,
    make_cells,
    make_table,
    omega_cells,
)
from influence.errors import InfluenceError
from influence.results.selection import choose, extreme_samples, far_from_data
from influence.results.verdict import UNTESTED, in_words, verdicts

__all__ = ["mutes_table", "omega_table", "samples_table"]

OMEGA = "ω"
VERDICT: Heading = ("", "verdict")
RANGE: dict[str, Heading] = {"smallest": ("range", "smallest"), "largest": ("range", "largest")}
DISTANCES = {
    "distance": (": distance from the data", 1.0, 1),
    "outside": (": channels outside the data, %", 100.0, 0),
}
"""Column of `distance.csv` -> what its row is called, its factor and its decimals."""

VALUES: dict[str, Heading] = {"full": ("", "full"), "muted": ("", "muted"), "omega": ("", "ω")}
"""Column of ``samples.csv.gz`` -> its heading."""

STARRED = f"* p < {SIGNIFICANT:g} (sign-flip test, Holm)."

INPUT = ["network", "seed", "dataset", "source"]


def omega_table(
    influence: pd.DataFrame,
    *,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    level: str = "all",
    interval: bool = True,
) -> Table:
    """Tabulate omegas: one row per network and mute, one column per direction and metric.

    Parameters
    ----------
    influence
        Frame with the columns of `influence.csv`, of one run or of several.
    metric, mute, level
        The results that are shown, as `influence.results.selection.choose` takes them: by default
        one metric per target, under all mutes, at the level `all`. Columns have the order of the
        metrics.
    interval
        Whether the cells show the interval.

    Raises
    ------
    InfluenceError
        If a name is unknown, or two rows claim the same cell.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": ["a"], "seed": 0, "dataset": "d", "mute": "zero", "source": "depth",
    ...     "target": "semantic", "metric": "mean_iou", "level": "all", "higher_is_better": True,
    ...     "unit": "", "omega": 0.0094, "omega_low": 0.001, "omega_high": 0.02,
    ...     "confidence": 0.95, "p_holm": 0.01, "n": 654, "checkpoint_sha256": "17ab"})
    >>> from influence.display.table import format_table
    >>> print(format_table(omega_table(frame), "text").splitlines()[4])
    a          zero                 0.94 [0.10, 2.00]*
    """
    chosen = choose(influence, metric=metric, mute=mute, level=level)
    cells = _omegas(chosen, lambda row: (f"{row.source} → {row.target}", gain_heading(row)))
    notes = [
        "ω(source → target) = A(nothing muted) − A(source muted), in the unit of A, which stands "
        "below the direction; positive: the source helps the target."
    ]
    if cells["marked"].any():
        notes.append(STARRED)
    rows = (*run_columns(chosen), "mute")
    table = make_table([cells], rows, "Cross-modality influence ω", notes, interval=interval)
    return in_metric_order(table, metric)


def mutes_table(
    influence: pd.DataFrame,
    *,
    distance: pd.DataFrame | None = None,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    level: str = "all",
    interval: bool = True,
) -> Table:
    """Tabulate the omegas of each direction under every mute, with their range and the verdict.

    Parameters
    ----------
    influence
        Frame with the columns of `influence.csv`, of one run or of several.
    distance
        Frame with the columns of `distance.csv`. Each source then has a row with the distance of
        its muted input from the data, and omegas whose muted input is beyond the threshold are
        marked. Of several places the one with the largest distance counts.
    metric, mute, level
        The results that are shown, as `influence.results.selection.choose` takes them: by default
        one metric per target, under all mutes, at the level `all`.
    interval
        Whether the cells show the interval.

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
    chosen = chosen.assign(direction=[direction_heading(row) for row in chosen.itertuples()])
    far = _farthest(distance, chosen)
    omegas = _omegas(chosen, _mute_heading).assign(warned=far_from_data(chosen, far))
    parts = [omegas, *_judgements(chosen), *_distances(far)]
    entries = pd.concat([part for part in parts if len(part)], ignore_index=True)
    source = entries.groupby(INPUT, sort=False, dropna=False).ngroup()
    entries = entries.iloc[source.argsort(kind="stable")]  # those of a source follow each other
    mutes = [(OMEGA, name) for name in chosen["mute"].unique()]
    return make_table(
        [entries],
        (*run_columns(chosen), "direction"),
        "Cross-modality influence ω by mute",
        _notes(entries, far),
        interval=interval,
        headings=(*mutes, *RANGE.values(), VERDICT),
    )


def _omegas(chosen: pd.DataFrame, heading: Any) -> pd.DataFrame:
    marked = chosen["p_holm"] < SIGNIFICANT
    return omega_cells(chosen, heading, "omega", "omega_low", "omega_high", marked=marked)


def _mute_heading(row: Any) -> Heading:
    return OMEGA, row.mute


def _farthest(distance: pd.DataFrame | None, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return, for each muted input of the table, the place where it is farthest from the data."""
    columns = [*INPUT, "mute"]
    if distance is None or distance.empty:
        return pd.DataFrame(columns=[*columns, *DISTANCES, "threshold", "warning"])
    known = distance[distance["distance"].notna()]
    worst = known.loc[known.groupby(columns, dropna=False)["distance"].idxmax()]
    return chosen[columns].drop_duplicates().merge(worst, on=columns)


def _judgements(chosen: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the cells to the right of the mutes: the ends of the range, and the verdict."""
    judged = verdicts(chosen, level="*")
    named = chosen[[*INPUT, "target", "metric", "level", "direction"]].drop_duplicates()
    judged = judged.merge(named, validate="one_to_one")
    for end, heading in RANGE.items():
        yield omega_cells(judged, heading, end)
    text = [in_words(row) for row in judged.itertuples()]
    yield make_cells(judged, VERDICT, float("nan"), text=text)


def _distances(far: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the cells with the distances of muted inputs from the data."""
    for column, (words, factor, digits) in DISTANCES.items():
        named = far.assign(direction=far["source"] + words)
        value = far[column] * factor
        yield make_cells(named, _mute_heading, value, digits=digits, warned=far["warning"])


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
        notes.append(STARRED)
    if len(far):
        threshold = " or ".join(f"{number:g}" for number in far["threshold"].unique())
        notes.append(
            "Distance: of the features of a muted input from the clean ones where the inputs "
            f"meet, at the farthest place; ! above {threshold}: the network sees what is not like "
            "its data, and ω may be an artefact of the mute."
        )
    return notes


def samples_table(
    samples: pd.DataFrame,
    *,
    source: Sequence[str] = (),
    target: Sequence[str] = (),
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    top: int = 10,
) -> Table:
    """Tabulate the samples that each source helps and hurts most, one row per sample.

    Parameters
    ----------
    samples
        Frame with the columns of ``samples.csv.gz``, of one run or of several.
    source, target, metric, mute, top
        The samples that are shown, as `influence.results.selection.extreme_samples` takes them: by
        default ten that are helped and ten that are hurt, of every direction and mute, by one
        metric per target.

    Raises
    ------
    InfluenceError
        If a name is unknown, a sample comes twice, or no sample is helped or hurt.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "mute": "zero", "source": "x",
    ...     "target": "y", "metric": "mse", "id": ["p", "q"], "group": [0, 1],
    ...     "full": [1.0, 4.0], "muted": [3.0, 1.0], "omega": [2.0, -3.0]})
    >>> from influence.display.table import format_table
    >>> print(*format_table(samples_table(frame), "text").splitlines()[4].split())
    a zero x → y: mse helped 1 p 1.0000 3.0000 2.0000
    """
    cell = ["network", "seed", "dataset", "mute", "source", "target", "metric", "id"]
    if (twice := samples.duplicated(cell)).any():
        first = samples[twice].iloc[0]
        raise InfluenceError(
            f"expected each sample once, got two results for sample {first['id']!r} of network "
            f"{first['network']!r}. Give each run once"
        )
    extremes = extreme_samples(
        samples, source=source, target=target, metric=metric, mute=mute, top=top
    )
    if extremes.empty:
        raise InfluenceError(
            "expected samples that a source helps or hurts, found none: no omega of a sample "
            "differs from zero. Choose another direction, metric or mute"
        )
    sizes = samples.groupby("dataset", dropna=False)["id"].nunique()
    named = extremes.assign(
        direction=[_sample_heading(row) for row in extremes.itertuples()],
        n=extremes["dataset"].map(sizes),
    )
    cells = [omega_cells(named, heading, column) for column, heading in VALUES.items()]
    rows = (*run_columns(extremes), "mute", "direction", "side", "rank", "id", *_groups(samples))
    note = (
        "Each sample alone: ω = A(nothing muted) − A(source muted), positive where the source "
        "helps the target."
    )
    title = "Samples that a source helps and hurts most"
    return make_table(cells, rows, title, [note], interval=False)


def _sample_heading(row: Any) -> str:
    display = display_of(row.metric)
    unit = f", {display.unit}" if display.unit else ""
    factor = f"{display.gain:g}·" if display.gain != display.factor else ""
    return f"{row.source} → {row.target}: {factor}{display.label}{unit}"


def _groups(samples: pd.DataFrame) -> tuple[str, ...]:
    """Return the column of groups, if any group holds several samples."""
    counts = samples.groupby(["dataset", "group"], dropna=False)["id"].nunique()
    return ("group",) if (counts > 1).any() else ()
