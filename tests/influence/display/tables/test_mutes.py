"""The table of a panel: omegas under every mute, the range, the verdict, the distances."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from influence.display.table import FORMATS, Table, format_table
from influence.display.tables.mutes import mutes_table
from influence.display.tables.omega import omega_table
from influence.results.verdict import in_words, verdicts
from tests.tables_of_runs import influence_frame

FRAME = influence_frame(["a", "b"])


def distances(**changes: Any) -> pd.DataFrame:
    """Return `distance.csv` of depth under zero, at two places, and under mean at one."""
    one = {
        "network": "a", "seed": 0, "dataset": "rooms", "mute": "zero", "source": "depth",
        "place": "cat", "distance": 9.24, "outside": 0.3, "threshold": 3.0, "warning": True,
        "samples": 120,
    }  # fmt: skip
    near = one | {"place": "add", "distance": 2.0, "outside": 0.9, "warning": False}
    mean = one | {"mute": "mean", "distance": 1.5, "outside": 0.02, "warning": False}
    return pd.DataFrame([near, one, mean]).assign(**changes)


def wide(table: Table) -> pd.DataFrame:
    """Return the numbers of a table, by network and direction."""
    frame = table.spread(table.entries["value"])
    return frame.set_index([("", "network"), ("", "direction")])


def test_cells_are_those_of_the_table_of_omegas() -> None:
    table, omegas = mutes_table(FRAME), omega_table(FRAME)
    found, expected = wide(table), omegas.spread(omegas.entries["value"])
    for row in expected.to_dict("records"):
        for direction, unit in omegas.entries["heading"].unique():
            name = (row["", "network"], f"{direction}: {unit}")
            assert found.loc[name, ("ω", row["", "mute"])] == row[direction, unit]
    assert len(found) == 8


def test_the_range_and_the_verdict_are_those_of_the_judgement() -> None:
    table = mutes_table(FRAME, metric=["mean_iou"])
    judged = verdicts(FRAME[FRAME["metric"] == "mean_iou"])
    found = wide(table)
    assert list(found["range", "smallest"]) == pytest.approx(list(100 * judged["smallest"]))
    assert list(found["range", "largest"]) == pytest.approx(list(100 * judged["largest"]))
    said = table.entries.loc[table.entries["text"] != "", "text"]
    assert list(said) == [in_words(row) for row in judged.itertuples()]


def test_far_inputs_are_marked_and_measured_at_the_farthest_place() -> None:
    table = mutes_table(FRAME, distance=distances())
    marked = table.entries[table.entries["warned"] & table.entries["metric"].notna()]
    assert set(zip(marked["network"], marked["mute"], marked["source"], strict=True)) == {
        ("a", "zero", "depth")
    }
    assert set(marked["target"]) == {"depth", "semantic"}
    found = wide(table)
    assert found.loc[("a", "depth: distance from the data"), ("ω", "zero")] == 9.24
    assert found.loc[("a", "depth: channels outside the data, %"), ("ω", "mean")] == 2.0
    rows = list(found.index)
    assert rows[:5] == [
        ("a", "depth → depth: −100·rel(sqr)"),
        ("a", "depth → semantic: mean IoU, %"),
        ("a", "depth: distance from the data"),
        ("a", "depth: channels outside the data, %"),
        ("a", "semantic → depth: −100·rel(sqr)"),
    ]
    text = format_table(table, "text")
    assert "9.2! " in text
    assert "! above 3: the network sees" in text


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_every_column(format: str) -> None:
    text = format_table(mutes_table(FRAME, distance=distances()), format)
    assert all(word in text for word in ("zero", "mean", "smallest", "largest", "verdict", "sign"))
    assert "1.5" in text


def test_distances_of_other_networks_and_unmeasured_ones_change_nothing() -> None:
    plain = format_table(mutes_table(FRAME), "csv")
    assert format_table(mutes_table(FRAME, distance=pd.DataFrame()), "csv") == plain
    assert format_table(mutes_table(FRAME, distance=distances(network="c")), "csv") == plain
    unknown = distances(distance=float("nan"), warning=False)
    assert format_table(mutes_table(FRAME, distance=unknown), "csv") == plain


def test_a_mute_that_only_some_inputs_have_leaves_a_gap() -> None:
    uniform = FRAME[(FRAME["mute"] == "mean") & (FRAME["source"] == "semantic")]
    both = pd.concat([FRAME, uniform.assign(mute="uniform")], ignore_index=True)
    found = wide(mutes_table(both))["ω", "uniform"]
    assert found.isna().tolist() == [True, True, False, False] * 2


def test_one_mute_alone_can_be_shown() -> None:
    table = mutes_table(FRAME, mute=["mean"])
    assert table.headings[0] == ("ω", "mean")
    assert len(table.headings) == 4
