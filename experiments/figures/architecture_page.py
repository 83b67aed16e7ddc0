"""The tables on the page of the networks of different build, from committed CSVs alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.figures.architectures import direction_table
from influence.display import display_of
from influence.metric_sets import SETS
from influence.results import read_table
from influence.rows import NO_MUTE
from influence.table_formats import MARKDOWN, format_table
from influence.tables import comparison_table, performance_table

__all__ = ["page_blocks"]

COMPARED = ("delta_1", "sqr_rel", "pixel_accuracy", "mean_iou")
PUBLISHED = {
    printed: metric
    for part in (SETS["hybridnet"].values, SETS["hybridnet"].labels)
    for metric, printed in part.items()
}
"""What HybridNet's tables print -> the name of the metric."""


def page_blocks(reports: Path) -> dict[str, str]:
    """Make the blocks of ``reports/networks/README.md``: name -> Markdown."""
    folder = reports / "networks"
    performance = read_table(folder / "performance.csv", "performance")
    others = performance.loc[performance["level"] == "class:other", "network"].unique()
    arora = performance["network"].isin(others)
    return {
        "directions": format_table(
            direction_table(pd.read_csv(folder / "directions.csv", keep_default_na=False)), "md"
        ),
        "performance": format_table(
            performance_table(performance[~arora], metric=list(PUBLISHED.values())), "md"
        ),
        "comparison": "\n".join(_comparisons(pd.read_csv(folder / "comparison.csv"))),
        "arora": "\n".join(
            format_table(performance_table(own, metric=[*SETS["arora"].labels, "mean_iou"]), "md")
            for _, own in performance[arora].groupby(
                performance["network"].map(lambda name: _classes(performance, name)), sort=True
            )
        ),
        "published": _published(performance, reports / "published"),
    }


def _classes(performance: pd.DataFrame, network: str) -> int:
    own = performance[performance["network"] == network]
    return own.loc[own["level"].str.startswith("class:"), "level"].nunique()


def _comparisons(comparison: pd.DataFrame) -> list[str]:
    """Return one table a metric: networks of one name under two sources of the depth differ."""
    present = [metric for metric in COMPARED if metric in set(comparison["metric"])]
    return [format_table(comparison_table(comparison, metric=[one]), "md") for one in present]


def _published(performance: pd.DataFrame, published: Path) -> str:
    """Return HybridNet's printed tables beside the same metrics of our networks, in Markdown."""
    printed = _printed(published)
    shown = performance[(performance["mute"] == NO_MUTE) & (performance["level"] == "all")]
    rows = []
    for words, metric in PUBLISHED.items():
        own = shown[shown["metric"] == metric].groupby("network")["value"].first()
        scale = display_of(metric)
        ours = {
            name: f"{scale.factor * own[name]:.{scale.digits}f}" if name in own else "–"
            for name in ("hybridnet", "depthnet", "deeplab-aspp")
        }
        rows.append({"metric": words} | printed.loc[words].to_dict() | ours)
    table = pd.DataFrame(rows).map(lambda cell: MARKDOWN.name(cell))
    return table.to_markdown(index=False, disable_numparse=True)


def _printed(published: Path) -> pd.DataFrame:
    """Return HybridNet's two tables as printed: metrics down, methods across."""
    first = pd.read_csv(published / "hybridnet_table1.csv", dtype=str).set_index("method")
    second = pd.read_csv(published / "hybridnet_table2.csv", dtype=str).set_index("metric")
    both = pd.concat(
        [
            second[["HybridNet", "DepthNet [8]"]],
            first.loc[["HybridNet", "DeepLab-ASPP [3]"], ["G", "C", "IoUclass"]].T,
        ]
    )
    return both.fillna("–").rename(columns=lambda name: f"{name}, printed (Cityscapes)")
