"""The tables: which numbers of a run's files stand where.

Pure functions from frames of results to a `Table`, which `format_table` turns into text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from influence.display.table import Table
from influence.display.tables.comparison import comparison_table
from influence.display.tables.interactions import interactions_table
from influence.display.tables.mutes import mutes_table
from influence.display.tables.omega import omega_table
from influence.display.tables.performance import class_table, performance_table
from influence.display.tables.power import power_table
from influence.display.tables.samples import samples_table
from influence.display.tables.seeds import seeds_table

__all__ = [
    "TABLES",
    "Kind",
    "class_table",
    "comparison_table",
    "interactions_table",
    "mutes_table",
    "omega_table",
    "performance_table",
    "power_table",
    "samples_table",
    "seeds_table",
]


@dataclass(frozen=True)
class Kind:
    """A kind of table: from which file of a run, by which function.

    Parameters
    ----------
    frame : name of the file, without its suffix, whose frame the function takes first; or `seeds`,
        which `influence.analysis.seeds` computes.
    make : the function; its other arguments are keywords.
    beside : files that a run may lack, whose frames it takes by keyword.
    """

    frame: str
    make: Callable[..., Table]
    beside: tuple[str, ...] = ()


TABLES: Mapping[str, Kind] = {
    "omega": Kind("influence", omega_table),
    "mutes": Kind("influence", mutes_table, beside=("distance",)),
    "interactions": Kind("interactions", interactions_table),
    "performance": Kind("performance", performance_table),
    "classes": Kind("performance", class_table),
    "samples": Kind("samples", samples_table),
    "seeds": Kind("seeds", seeds_table),
}
"""The kinds of table by name."""
