from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from experiments.figures.architectures import (
    direction_table,
    directions,
    draw_directions,
    write_directions,
)
from experiments.publishing.files import FIGURES, Output
from influence.display.table import format_table
from influence.errors import InfluenceError
from tests.experiments.figures.networks_tables import (
    MUTES,
    PREDICTED,
    TRIVIAL,
    TRUE,
    influence_frame,
    influence_rows,
    performance_frame,
    performance_rows,
    write_networks,
)

FLOOR = performance_frame(
    performance_rows("trivial-wang", TRIVIAL),
    performance_rows("trivial-wang", {"mean_iou": 0.9}, level="class:ground"),
    performance_rows("trivial-wang", {"mean_iou": 0.8}, mute="zero"),
    performance_rows("another", {"sqr_rel": 0.1, "mean_iou": 0.1}),
)


def panel(zero: float, mean: float, shuffle: float) -> dict[str, float]:
    return dict(zip(MUTES, (zero, mean, shuffle), strict=True))


def found(*rows: list[dict[str, object]]) -> pd.DataFrame:
    return directions(influence_frame(*rows), FLOOR).set_index(["network", "target"])


def test_the_share_is_of_the_gain_over_the_trivial_predictor_whichever_way_is_better() -> None:
    table = found(
        influence_rows("a", "sqr_rel", panel(0.4, 0.3, 0.1)),  # 0.9 -> 0.5 metres
        influence_rows("a", "mean_iou", panel(0.3, -0.2, -0.04)),  # 0.2 -> 0.6
        influence_rows("b", "mean_iou", panel(0.2, 0.2, 0.2), full=0.15),
        influence_rows("b", "sqr_rel", panel(0.2, 0.2, 0.2), full=0.95),
    )
    assert table["share"]["a", "depth"] == pytest.approx(0.1 / (0.9 - 0.5))
    assert table["share"]["a", "semantic"] == pytest.approx(-0.04 / (0.6 - 0.2))
    assert table["share"]["b"].isna().all()  # nothing gained, no share of it


def test_omega_is_that_under_shuffle_and_the_range_over_all_mutes() -> None:
    table = found(influence_rows("a", "mean_iou", panel(0.3, -0.2, 0.1)))
    columns = ["omega", "low", "high", "smallest", "largest", "n"]
    (row,) = table[columns].to_numpy().tolist()
    assert row == pytest.approx([0.1, 0.05, 0.15, -0.2, 0.3, 654])


@pytest.mark.parametrize(
    ("omegas", "verdict"),
    [
        ((0.3, 0.2, 0.1), "stable sign: helps"),
        ((-0.3, -0.2, -0.1), "stable sign: hurts"),
        ((0.02, -0.02, 0.01), "not distinguishable from zero"),
        ((0.3, -0.2, 0.01), "unstable sign: + zero; − mean; 0 shuffle"),
    ],
)
def test_the_verdict_is_of_all_mutes(omegas: tuple[float, float, float], verdict: str) -> None:
    table = found(influence_rows("a", "sqr_rel", panel(*omegas)))
    assert table["verdict"].tolist() == [verdict]


def test_two_mutes_are_no_panel() -> None:
    two = influence_rows("two", "sqr_rel", {"zero": 0.1, "shuffle": 0.1})
    one_source = influence_rows("a", "sqr_rel", {"zero": 0.1, "shuffle": 0.1}, source="rgb")
    table = found(two, one_source, influence_rows("a", "sqr_rel", panel(0.1, 0.1, 0.1)))
    assert table.index.tolist() == [("a", "depth")]
    assert table["source"].tolist() == ["depth"]
    with pytest.raises(InfluenceError, match="no network was measured with three mutes, shuffle"):
        found(two)


def test_a_network_whose_seed_is_unknown_has_its_verdict_too() -> None:
    rows = influence_rows("a", "sqr_rel", panel(0.3, 0.2, 0.1), seed=math.nan)
    assert found(rows)["verdict"].tolist() == ["stable sign: helps"]


def test_other_levels_and_metrics_are_left_out() -> None:
    table = found(
        influence_rows("a", "sqr_rel", panel(0.3, 0.2, 0.1)),
        influence_rows("a", "mean_iou", panel(0.3, 0.2, 0.1), level="class:ground"),
        [
            row | {"metric": "pixel_accuracy"}
            for row in influence_rows("a", "mean_iou", panel(0.3, 0.2, 0.1))
        ],
    )
    assert table.index.tolist() == [("a", "depth")]


def test_the_table_has_a_line_a_source_and_percent_of_the_gain() -> None:
    table = directions(
        influence_frame(
            influence_rows("a", "sqr_rel", panel(0.3, 0.2, 0.1)),
            influence_rows("a", "mean_iou", panel(0.3, -0.2, -0.04)),
            influence_rows("a", "mean_iou", panel(0.3, 0.2, 0.1), source="rgb"),
        ),
        FLOOR,
    )
    text = format_table(direction_table(table), "md")
    lines = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| a")]
    cells = {line[2].strip(): [cell.strip() for cell in line[3:]] for line in lines}
    assert set(cells) == {"depth", "rgb"}
    # depth: omega, smallest, largest, verdict, share; then the same of the classes
    assert cells["depth"][3:5] == ["stable sign: helps", "25"]
    assert cells["depth"][5] == "-4.00 [-9.00, 1.00]"
    assert cells["depth"][6:8] == ["-20.00", "30.00"]
    assert cells["depth"][9] == "-10"
    assert cells["rgb"][8:] == ["stable sign: helps", "25"]


def test_the_figure_has_a_panel_a_task_and_a_line_a_source() -> None:
    table = directions(
        influence_frame(
            influence_rows("a", "sqr_rel", panel(0.3, 0.2, 0.1)),
            influence_rows("a", "mean_iou", panel(0.3, 0.2, 0.1), dataset=PREDICTED),
            influence_rows("b", "mean_iou", panel(0.3, 0.2, 0.1)),
        ),
        FLOOR,
    )
    depth, semantic = draw_directions(table).axes
    labels = [label.get_text() for label in depth.get_yticklabels()]
    assert sorted(labels) == [
        f"a ({PREDICTED}): depth", f"a ({TRUE}): depth", "b: depth",
    ]  # fmt: skip
    assert [axes.get_title() for axes in (depth, semantic)] == ["→ depth", "→ semantic"]
    points = [line for line in semantic.lines if line.get_marker() not in ("", "None", None)]
    assert [line.get_xdata()[0] for line in points] == pytest.approx([10, 10])  # type: ignore[index]
    assert len([line for line in depth.lines if line.get_marker() not in ("", "None", None)]) == 1


def test_the_files_are_written_and_networks_of_other_classes_left_out(tmp_path: Path) -> None:
    write_networks(tmp_path)
    folder = tmp_path / "networks"
    paths = list(write_directions(folder, Output(FIGURES)))
    assert {path.name for path in paths} == {
        "directions.csv", "directions.png", "directions.pdf", "directions.svg",
    }  # fmt: skip
    assert all(path.is_file() for path in paths)
    table = pd.read_csv(folder / "directions.csv")
    assert set(table["network"]) == {"fcrn-joint", "hybridnet"}
    assert len(table) == 3 * 2


def test_the_jrns_stand_in_the_same_table(tmp_path: Path) -> None:
    write_networks(tmp_path)
    (tmp_path / "nyuv2").mkdir()
    rows = influence_rows("jrn-cat1", "mean_iou", panel(0.3, 0.2, 0.1), full=0.5)
    influence_frame(rows).to_csv(tmp_path / "nyuv2" / "influence.csv", index=False)
    list(write_directions(tmp_path / "networks", Output()))
    table = pd.read_csv(tmp_path / "networks" / "directions.csv").set_index("network")
    assert table["share"]["jrn-cat1"] == pytest.approx(0.1 / 0.3, rel=1e-5)
