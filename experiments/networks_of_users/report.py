"""Report: the tables of the README, from the CSVs alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.publishing.files import write_csv
from experiments.publishing.pages import plain_table

__all__ = ["blocks", "replace_rows"]

TABLE = "table.csv"
SHOWN = {"by_hand": "omega by hand", "omega": "omega here"}


def replace_rows(path: Path, kind: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Write the records of a kind into a CSV, in the place of its earlier ones."""
    new = pd.DataFrame(records)
    if path.exists():
        earlier = pd.read_csv(path)
        place = list(dict.fromkeys([*earlier["kind"], kind]))
        new = pd.concat([earlier[earlier["kind"] != kind], new], ignore_index=True)
        new = new.sort_values("kind", key=lambda names: names.map(place.index), kind="stable")
    write_csv(new, path, digits=9)


def blocks(folder: Path) -> dict[str, str]:
    """Return the README's tables by name; a table whose CSV is not there says so."""
    makers = {
        "kinds": (TABLE, _kinds),
        "omegas": (TABLE, _omegas),
        "questions": ("easy_vqa.csv", _questions),
        "machine": ("machine.csv", _machine),
    }
    return {
        name: plain_table(make(pd.read_csv(folder / file)), "")
        if (folder / file).exists()
        else "Not measured yet."
        for name, (file, make) in makers.items()
    }


def _kinds(table: pd.DataFrame) -> pd.DataFrame:
    """One row a kind."""
    keys = ["kind", "what", "library", "lines", "inputs", "n"]
    found = table.groupby(keys, sort=False).agg(
        omegas=("omega", "size"),
        difference=("difference", "max"),
        cost=("cost", "first"),
        seconds=("seconds", "first"),
        note=("note", "first"),
    )
    words = {
        "lines": "lines of user code",
        "omegas": "omegas compared",
        "difference": "largest difference",
        "cost": "cost, plain passes",
    }
    return found.reset_index().rename(columns=words)


def _omegas(table: pd.DataFrame) -> pd.DataFrame:
    """One row an omega."""
    columns = ["kind", "source", "mute", "output", "metric", "omega", "by_hand", "difference"]
    shown = table[columns].copy()
    for column in ("omega", "by_hand"):
        shown[column] = shown[column].map("{:.6f}".format)
    return shown.rename(columns=SHOWN)


def _questions(found: pd.DataFrame) -> pd.DataFrame:
    """One row a type of question, source and mute, in points of accuracy."""
    shown = found[["target", "questions", "source", "mute"]].copy()
    for column in ("full", "muted"):
        shown[f"accuracy, {column}"] = (100 * found[column]).map("{:.1f}".format)
    ends = zip(*(100 * found[c] for c in ("omega", "omega_low", "omega_high")), strict=True)
    shown["omega, points [95%]"] = [f"{x:.1f} [{low:.1f}, {high:.1f}]" for x, low, high in ends]
    return shown.rename(columns={"target": "questions about", "questions": "n"})


def _machine(machine: pd.DataFrame) -> pd.DataFrame:
    """One row a machine, with the kinds that were measured there."""
    facts = [name for name in machine if name != "kind"]
    found = machine.groupby(facts, sort=False)["kind"].agg(", ".join)
    return found.reset_index()
