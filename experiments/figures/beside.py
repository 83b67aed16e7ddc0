"""Measured numbers beside the printed ones of arXiv 1702.08009, row under row."""

from __future__ import annotations

import pandas as pd

from experiments.figures.published import TABLE_I, TABLE_III
from experiments.figures.studies import Study, in_order, paper_metrics
from influence.display.table import format_table
from influence.display.tables.omega import omega_table
from influence.display.tables.performance import class_table, performance_table

__all__ = ["beside_published"]


def beside_published(measured: Study, published: Study) -> str:
    """Return Table I, Table III and the omegas of Fig. 7 in Markdown, both sources in each."""
    table1 = _together(_of(published.performance, TABLE_I), measured.performance)
    table3 = _together(_of(published.performance, TABLE_III), measured.performance)
    omega = _together(published.influence, measured.influence)
    omega = omega[omega["source"] != omega["target"]]
    sections = {
        "Table I": performance_table(table1, metric=paper_metrics(table1)),
        "Table III": class_table(table3, interval=True),
        "Influence (Fig. 7)": omega_table(omega),
    }
    return "\n".join(f"### {title}\n\n{format_table(t, 'md')}" for title, t in sections.items())


def _of(performance: pd.DataFrame, table: str) -> pd.DataFrame:
    return performance[performance["dataset"] == table]


def _together(published: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    return in_order(pd.concat([published, measured], ignore_index=True))
