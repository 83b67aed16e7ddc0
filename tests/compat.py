"""Compare the influences of two runs of the same networks, for `make compat`.

    python -m tests.compat RUN REFERENCE

Ends with exit code 1 if a row is missing or an omega differs by more than the tolerance.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

TOLERANCE = 1e-6
"""Kernels of other versions add in another order; these are the sums of that rounding."""

KEYS = ["network", "mute", "site", "source", "target", "metric", "level"]


def largest_difference(run: Path, reference: Path) -> float:
    """Return the largest difference between the omegas of two run directories."""
    one, other = (pd.read_csv(folder / "influence.csv") for folder in (run, reference))
    both = one.merge(other, on=KEYS, how="outer", suffixes=("", "_reference"), indicator=True)
    if not (both["_merge"] == "both").all():
        raise SystemExit(f"{run} and {reference} do not have the same rows")
    gaps = (both["omega"] - both["omega_reference"]).abs()
    return float(gaps.max())


def main(run: str, reference: str) -> None:
    """Print the largest difference and whether it is within the tolerance."""
    gap = largest_difference(Path(run), Path(reference))
    print(f"{run}: omegas within {gap:.2g} of {reference}")
    if not gap <= TOLERANCE:
        raise SystemExit(f"expected at most {TOLERANCE}")


if __name__ == "__main__":
    main(*sys.argv[1:])
