"""The omegas of a table are those of the CSV, in the units that its heading states."""

from __future__ import annotations

import pandas as pd
import pytest

from influence.display.table import format_table
from influence.display.tables.omega import omega_table
from influence.errors import InfluenceError
from tests.tables_of_runs import NETWORKS, influence_frame


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
