"""The table of single samples: units, order, groups."""

from __future__ import annotations

import pandas as pd
import pytest

from influence.display.table import format_table
from influence.display.tables.samples import samples_table
from influence.errors import InfluenceError
from influence.results.selection import extreme_samples
from tests.tables_of_runs import samples_frame


def test_values_are_those_of_the_file_in_the_units_of_the_heading() -> None:
    frame = samples_frame(["net"], ["zero"])
    table = samples_table(frame, source=["depth"], top=2)
    wide = table.spread(table.entries["value"])
    extremes = extreme_samples(frame, source=["depth"], top=2)
    assert len(wide) == len(extremes) == 8
    assert set(wide["", "direction"]) == {
        "depth → depth: 100·rel(sqr)",
        "depth → semantic: mean IoU, %",
    }
    for column, heading in (("full", "full"), ("muted", "muted"), ("omega", "ω")):
        expected = (100 * extremes[column]).tolist()
        assert wide["", heading].tolist() == pytest.approx(expected)
    assert wide["", "id"].tolist() == extremes["id"].tolist()


def test_a_line_reads_as_it_should() -> None:
    frame = samples_frame(["net"], ["zero"])
    best = extreme_samples(frame, source=["depth"], metric=["rms"], top=1).iloc[0]
    text = format_table(samples_table(frame, source=["depth"], metric=["rms"], top=1), "text")
    expected = f"net zero depth → depth: rms helped 1 {best['id']} {best['full']:.4f} "
    assert " ".join(text.splitlines()[4].split()).startswith(expected)
    assert "n = 30 samples of rooms" in text


def test_groups_are_shown_where_they_hold_several_samples() -> None:
    frame = samples_frame(["net"])
    assert "group" not in samples_table(frame).rows
    assert "group" in samples_table(frame.assign(group=frame["group"] // 2)).rows


def test_of_several_seeds_each_has_its_rows() -> None:
    frame = samples_frame(["net"])
    table = samples_table(pd.concat([frame, frame.assign(seed=1)]), top=1)
    assert "seed" in table.rows
    assert set(table.entries["seed"]) == {0, 1}


def test_nothing_to_show_is_told() -> None:
    with pytest.raises(InfluenceError, match="found none: no omega of a sample differs from zero"):
        samples_table(samples_frame(["net"]).assign(omega=0.0))
