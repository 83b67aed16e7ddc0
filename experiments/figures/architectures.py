"""What flows between tasks in networks of different build: one table and one figure of them all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.publishing.files import Output, write_csv
from influence.display.notation import display_of, gains
from influence.display.plots.style import COLUMN_WIDTH, GREY, inks, styled
from influence.display.table import Table, make_cells
from influence.errors import InfluenceError
from influence.plan.setups import NO_MUTE
from influence.results.tables import read_table
from influence.results.verdict import in_words, verdicts

__all__ = ["direction_table", "directions", "draw_directions", "write_directions"]

METRICS = {"depth": "sqr_rel", "semantic": "mean_iou"}
"""The metric of each task, as in Fig. 7 of arXiv 1702.08009."""

SHOWN = "shuffle"
"""The mute whose omegas are printed: its values are real ones. The range is over all mutes."""

TRIVIAL = "trivial-wang"


def directions(
    influence: pd.DataFrame, performance: pd.DataFrame, *, trivial: str = TRIVIAL
) -> pd.DataFrame:
    """Gather what each source gives each task, in every network that was measured with a panel.

    Parameters
    ----------
    influence, performance : frames with the columns of `influence.csv` and `performance.csv`, of
        networks that were scored on the same samples and classes.
    trivial : the network in `performance` that ignores its input.

    Returns
    -------
    DataFrame
        One row a network, dataset, source and target: `metric`; `omega`, `low` and `high` under
        `SHOWN`; `smallest` and `largest` omega over all mutes; `verdict`; and `share`, the omega
        as a part of what the network gains over the trivial predictor, empty where it gains
        nothing. Values are oriented, positive is help, in natural units. Networks with two mutes
        or fewer are left out: two say little of how much depends on the mute.

    Raises
    ------
    InfluenceError
        If no network is left.
    """
    kept = influence[(influence["level"] == "all") & influence["metric"].isin(METRICS.values())]
    names = ["network", "seed", "dataset", "source", "target", "metric"]
    panels = kept[kept.groupby(names, dropna=False)["mute"].transform("nunique") > 2]
    shown = panels[panels["mute"] == SHOWN]
    if shown.empty:
        raise InfluenceError(
            f"no network was measured with three mutes, {SHOWN} among them. Measure one with "
            "--mute panel"
        )
    judged = verdicts(panels)
    judged["verdict"] = [in_words(row) for row in judged.itertuples()]
    table = shown.merge(judged[[*names, "smallest", "largest", "verdict"]], on=names)
    floor = performance[(performance["network"] == trivial) & (performance["mute"] == NO_MUTE)]
    floors = floor[floor["level"] == "all"].set_index("metric")["value"]
    gain = table["full"] - table["metric"].map(floors)
    gain *= np.where(table["higher_is_better"], 1, -1)
    table = table.assign(share=table["omega"] / gain.where(gain > 0))
    table = table.rename(columns={"omega_low": "low", "omega_high": "high"})
    return table[[*names, "omega", "low", "high", "smallest", "largest", "verdict", "share", "n"]]


def direction_table(found: pd.DataFrame) -> Table:
    """Arrange directions as a table: sources down, what they give to each task across."""
    gain = gains(found["metric"])
    scaled = {name: found[name] * gain for name in ("omega", "low", "high", "smallest", "largest")}

    def cells(words: str, value: Any = np.nan, **columns: Any) -> pd.DataFrame:
        return make_cells(found, lambda row: (f"→ {row.target}", words), value, **columns)

    parts: dict[str, dict[str, Any]] = {
        "ω": {"value": scaled["omega"], "low": scaled["low"], "high": scaled["high"]},
        "smallest": {"value": scaled["smallest"]},
        "largest": {"value": scaled["largest"]},
        "verdict": {"text": found["verdict"]},
        "share, %": {"value": 100 * found["share"], "digits": 0},
    }
    units = ", ".join(
        f"{target}: {display_of(metric).gain_unit('m')}" for target, metric in METRICS.items()
    )
    return Table(
        pd.concat([cells(word, **own) for word, own in parts.items()], ignore_index=True),
        ("network", "dataset", "source"),
        "What each source gives each task",
        (
            f"ω: under the mute {SHOWN}, with its 95% interval ({units}); smallest and largest: "
            "over all mutes of the panel; positive: the source helps.",
            "Share: that ω as a part of what the network gains over a predictor that does not look "
            "at its picture.",
            f"n = {', '.join(str(n) for n in sorted(set(found['n'])))} samples.",
        ),
        headings=tuple((f"→ {target}", word) for target in METRICS for word in parts),
    )


def draw_directions(found: pd.DataFrame) -> Figure:
    """Draw the omegas under `SHOWN` with their intervals, and the range over all mutes in grey."""
    rows = found[["network", "dataset", "source"]].drop_duplicates()
    sources: list[Any] = list(rows.itertuples())
    names = [(row.network, row.dataset, row.source) for row in sources]
    signs = inks(found["network"])
    several = rows.groupby("network")["dataset"].transform("nunique") > 1
    labels = [
        f"{row.network}{f' ({row.dataset})' if more else ''}: {row.source.removeprefix('edge:')}"
        for row, more in zip(sources, several, strict=True)
    ]
    with styled():
        figure = Figure(figsize=(2 * COLUMN_WIDTH, 0.6 + 0.17 * len(names)), layout="constrained")
        grid = figure.subplots(1, len(METRICS), sharey=True)
        for axes, (target, metric) in zip(grid, METRICS.items(), strict=True):
            shown = display_of(metric)
            omegas: Iterator[Any] = found[found["target"] == target].itertuples()
            for row in omegas:
                place = names.index((row.network, row.dataset, row.source))
                low, value, high = (shown.gain * x for x in (row.low, row.omega, row.high))
                ends = [shown.gain * row.smallest, shown.gain * row.largest]
                ink = signs[row.network]
                axes.plot(ends, [place] * 2, color="0.85", linewidth=4, solid_capstyle="butt")
                axes.plot([low, high], [place] * 2, color=ink.colour)
                axes.plot([value], [place], ink.marker, color=ink.colour, markersize=3)
            axes.axvline(0, color=GREY, linewidth=0.6, linestyle=":")
            axes.set_xscale("symlog", linthresh=0.1)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_title(f"→ {target}")
            axes.set_xlabel(f"ω, {shown.gain_unit('m')}")
        grid[0].set_yticks(range(len(names)), labels)
        grid[0].invert_yaxis()
    return figure


def write_directions(folder: Path, output: Output) -> Iterator[Path]:
    """Write `directions.csv` and its figure from the tables of the networks and of the JRNs.

    Parameters
    ----------
    folder
        Of the networks' tables; those of the joint refinement networks lie in `nyuv2` beside it.
    output
        Which figures are written.
    """
    folders = [where for where in (folder.parent / "nyuv2", folder) if where.is_dir()]
    influence = [read_table(where / "influence.csv", "influence") for where in folders]
    performance = read_table(folder / "performance.csv", "performance")
    found = directions(_five_classes(pd.concat(influence, ignore_index=True)), performance)
    yield write_csv(found, folder / "directions.csv", digits=6)
    yield from output.figure(folder, "directions", partial(draw_directions, found))


def _five_classes(influence: pd.DataFrame) -> pd.DataFrame:
    """Leave out networks of Arora's classes: their mean IoU is another quantity."""
    others = influence.loc[influence["level"] == "class:other", "network"]
    return influence[~influence["network"].isin(others)]
