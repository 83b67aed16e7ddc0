"""Tables of omegas: the numbers of the CSV in stated units, ranges, verdicts and distances."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from influence.display.table import FORMATS, Table, format_table
from influence.display.tables.omega import mutes_table, omega_table, samples_table
from influence.errors import InfluenceError
from influence.results.selection import extreme_samples
from influence.results.verdict import in_words, verdicts
from tests.tables_of_runs import NETWORKS, influence_frame, samples_frame

FRAME = influence_frame(["a", "b"])


def _find(frame: pd.DataFrame, **wanted: object) -> pd.Series:
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_omegas_are_a_hundredfold_of_the_file_and_one_row_is_a_network_and_a_mute() -> None:
    frame = influence_frame()
    table = omega_table(frame)
    values = table.spread(table.entries["value"])
    assert [tuple(row) for row in values[[("", "network"), ("", "mute")]].to_numpy()] == [
        (network, mute) for network in NETWORKS for mute in ("zero", "mean")
    ]
    row = values[(values["", "network"] == "jrn-cat5") & (values["", "mute"] == "mean")].iloc[0]
    for source in ("depth", "semantic"):
        iou = _find(frame, network="jrn-cat5", mute="mean", source=source, metric="mean_iou")
        error = _find(frame, network="jrn-cat5", mute="mean", source=source, metric="sqr_rel")
        assert row[f"{source} → semantic", "mean IoU, %"] == pytest.approx(100 * iou["omega"])
        assert row[f"{source} → depth", "−100·rel(sqr)"] == pytest.approx(100 * error["omega"])
    assert values.shape[1] == 2 + 4


def test_a_cell_holds_omega_interval_and_an_asterisk_where_p_is_small() -> None:
    frame = influence_frame(["net"], ["zero"])
    cross = _find(frame, source="depth", metric="mean_iou")
    own = _find(frame, source="semantic", metric="mean_iou")
    text = format_table(omega_table(frame, metric=["mean_iou"]), "text")
    numbers = "{omega:.2f} [{omega_low:.2f}, {omega_high:.2f}]"
    shown = {
        name: numbers.format(**(row[["omega", "omega_low", "omega_high"]] * 100))
        for name, row in {"cross": cross, "own": own}.items()
    }
    line = text.splitlines()[4]
    assert f"{shown['cross']}*" in line
    assert shown["own"] in line
    assert f"{shown['own']}*" not in line
    assert "p < 0.05" in text
    assert "95% interval" in text
    assert "n = 120 samples of rooms" in text


def test_without_interval_only_the_value_is_shown() -> None:
    text = format_table(omega_table(influence_frame(["net"], ["zero"]), interval=False), "text")
    assert "[" not in text.splitlines()[4]
    assert "interval" not in text


def test_a_metric_of_depth_keeps_its_unit_and_its_resolution() -> None:
    frame = influence_frame(["net"], ["zero"])
    table = omega_table(frame, metric=["rms"], interval=False)
    omega = _find(frame, source="semantic", metric="rms")["omega"]
    assert table.entries["heading"].iloc[0] == ("depth → depth", "−rms, m")
    assert f"{omega:.4f}*" in format_table(table, "text")


def test_seeds_are_told_apart_where_a_network_has_several() -> None:
    two = pd.concat([influence_frame(["a"]), influence_frame(["a"]).assign(seed=1)])
    assert omega_table(two).rows == ("network", "seed", "mute")
    assert "a          1       zero" in format_table(omega_table(two), "text")


def test_a_run_given_twice_is_refused() -> None:
    twice = pd.concat([influence_frame(), influence_frame()], ignore_index=True)
    with pytest.raises(InfluenceError, match="two results claim one cell: network 'jrn-cat1'"):
        omega_table(twice)


def test_unknown_names_are_refused_with_near_ones() -> None:
    with pytest.raises(InfluenceError, match="unknown mute 'zeros': did you mean 'zero'"):
        omega_table(influence_frame(), mute=["zeros"])


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


def test_samples_have_the_values_of_the_file_in_the_units_of_the_heading() -> None:
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


def test_a_line_of_a_sample_reads_as_it_should() -> None:
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


def test_samples_of_several_seeds_have_rows_for_each() -> None:
    frame = samples_frame(["net"])
    table = samples_table(pd.concat([frame, frame.assign(seed=1)]), top=1)
    assert "seed" in table.rows
    assert set(table.entries["seed"]) == {0, 1}


def test_samples_without_an_omega_are_a_clear_error() -> None:
    with pytest.raises(InfluenceError, match="found none: no omega of a sample differs from zero"):
        samples_table(samples_frame(["net"]).assign(omega=0.0))
