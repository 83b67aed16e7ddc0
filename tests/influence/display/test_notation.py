"""Names of runs, directions and columns, as readers see them."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from influence.display.notation import omega_label, run_names


def test_seeds_and_data_sets_are_named_where_a_network_has_several() -> None:
    frame = pd.DataFrame(
        {"network": ["a", "a", "a", "b"], "seed": [0, 1, 0, 7], "dataset": ["d", "d", "e", "d"]}
    )
    assert run_names(frame).tolist() == ["a #0\nd", "a #1\nd", "a #0\ne", "b"]


def test_an_omega_without_a_unit_has_a_label_without_a_comma() -> None:
    row = SimpleNamespace(source="x", target="y", metric="loudness", unit="", level="class:floor")
    assert omega_label(row) == "ω(x → y)"
    assert omega_label(row, level=True) == "ω(x → y), floor"
