"""The kinds of table: functions from frames of results to a `Table`.

`influence.display.table.format_table` writes a `Table` as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from influence.display.table import Table
from influence.display.tables.interactions import interactions_table
from influence.display.tables.omega import mutes_table, omega_table, samples_table
from influence.display.tables.performance import class_table, performance_table
from influence.display.tables.precision import seeds_table

__all__ = ["TABLES", "Kind"]


@dataclass(frozen=True)
class Kind:
    """A kind of table: the file of a run that it shows, and the function that makes it.

    Parameters
    ----------
    frame
        Name of the file, without its suffix, whose frame is the first argument of `make`; or
        `seeds`, which `influence.analysis.seeds` computes.
    make
        The function; its other arguments are keywords.
    beside
        Files that a run may lack, whose frames `make` takes by keyword.
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
