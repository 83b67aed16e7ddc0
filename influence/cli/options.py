"""influence/cli/options.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "metric_names",
    "names",
    "read_seeds",
    "split",
]


def names(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Split the value of an option at its commas."""
    return split(text or "")


def metric_names(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> tuple[str, ...]:
    """Split names of metrics at commas; a set stands for all of its metrics."""
    from influence.metrics.registry import spell_out

    return tuple(spell_out(split(text or "")))


def split(text: str) -> tuple[str, ...]:
    """Split names that are joined by commas.

    >>> split("zero, mean")
    ('zero', 'mean')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())


def read_seeds(runs: tuple[Path, ...]) -> pd.DataFrame:
    """Aggregate the seeds of runs."""
    from influence.analysis.estimates import read_estimates
    from influence.analysis.seeds import aggregate_seeds

    return aggregate_seeds(read_estimates(runs))
