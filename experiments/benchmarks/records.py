"""Records: the CSVs of the benchmark, in which one case can be measured again by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.publishing.files import write_csv

__all__ = ["read_records", "replace_case"]


def replace_case(path: Path, case: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Write the records of a case into a CSV, in the place of its earlier ones."""
    new = pd.DataFrame(records)
    earlier = read_records(path)
    if earlier is not None:
        new = pd.concat([earlier[earlier["case"] != case], new], ignore_index=True)
    write_csv(new, path)


def read_records(path: Path) -> pd.DataFrame | None:
    """Read a CSV; None if there is none."""
    return pd.read_csv(path) if path.exists() else None
