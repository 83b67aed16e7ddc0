"""The tables: which numbers of a run's files stand where.

Pure functions from frames of results to a `Table`, which `format_table` turns into text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from influence.table_formats import Table
from influence.tables.omega import omega_table
from influence.tables.performance import class_table, performance_table

__all__ = ["TABLES", "class_table", "omega_table", "performance_table"]

TABLES: Mapping[str, tuple[str, Callable[..., Table]]] = {
    "omega": ("influence", omega_table),
    "performance": ("performance", performance_table),
    "classes": ("performance", class_table),
}
"""Kind of table -> the frame of a run that it takes, and the function."""
