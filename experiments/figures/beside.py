"""Measured numbers beside the printed ones of arXiv 1702.08009, row under row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.figures.published import TABLE_I, TABLE_III
from experiments.figures.studies import Study, in_order, paper_metrics
from influence.files import replace_on_success
from influence.table_formats import format_table
from influence.tables import class_table, omega_table, performance_table

__all__ = ["beside_published", "write_beside"]

PREFACE = """\
# Measured beside published

The rows of arXiv 1702.08009 are as printed, without intervals; it does not say what a muted input
holds. `python -m experiments.figures` writes this page from the tables in `reports/`.
"""


def beside_published(measured: Study, published: Study) -> str:
    """Return a Markdown page: Table I, Table III and the omegas of Fig. 7, both sources in each."""
    table1 = _together(_of(published.performance, TABLE_I), measured.performance)
    table3 = _together(_of(published.performance, TABLE_III), measured.performance)
    omega = _together(published.influence, measured.influence)
    omega = omega[omega["source"] != omega["target"]]
    sections = {
        "Table I": performance_table(table1, metric=paper_metrics(table1)),
        "Table III": class_table(table3, interval=True),
        "Influence (Fig. 7)": omega_table(omega),
    }
    texts = [f"## {title}\n\n{format_table(table, 'md')}" for title, table in sections.items()]
    return "\n".join([PREFACE, *texts])


def write_beside(measured: Study, published: Study, path: Path) -> Path:
    """Write the page."""
    with replace_on_success(path) as aside:
        aside.write_text(beside_published(measured, published), encoding="utf-8")
    return path


def _of(performance: pd.DataFrame, table: str) -> pd.DataFrame:
    return performance[performance["dataset"] == table]


def _together(published: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    return in_order(pd.concat([published, measured], ignore_index=True))
