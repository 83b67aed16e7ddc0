"""The table of sites alone and together: its numbers are those of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from influence.cli import main
from influence.display.table import FORMATS, format_table
from influence.display.tables.interactions import KINDS as NAMES
from influence.display.tables.interactions import interactions_table
from influence.errors import InfluenceError
from influence.statistics.coalitions import KINDS
from tests.tables_of_runs import interactions_frame

SITES = ("depth", "rgb", "sound")
FRAME = interactions_frame(["a", "b"])


def test_one_row_is_a_network_a_mute_and_a_site_or_pair() -> None:
    table = interactions_table(FRAME)
    wide = table.spread(table.entries["value"])
    assert table.rows == ("network", "mute", "players")
    assert len(wide) == 2 * 2 * (3 + 3)
    assert list(wide["", "players"][:6]) == [*SITES, "depth+rgb", "depth+sound", "rgb+sound"]
    headings: list[object] = [*wide.columns[3:]]
    assert headings == [
        (target, kind)
        for target in ("depth: 100·rel(sqr)", "semantic: mean IoU, %")
        for kind in ("leave-one-out", "add-one-in", "Shapley", "interaction")
    ]


def test_cells_are_a_hundredfold_of_the_file() -> None:
    table = interactions_table(FRAME)
    wide = table.spread(table.entries["value"]).set_index(
        [("", "network"), ("", "mute"), ("", "players")]
    )
    chosen = FRAME[FRAME["metric"].isin(["sqr_rel", "mean_iou"])]
    columns = {"depth": "depth: 100·rel(sqr)", "semantic": "semantic: mean IoU, %"}
    for row in chosen.to_dict("records"):
        place = (row["network"], row["mute"], row["players"])
        column = (columns[row["target"]], NAMES[row["kind"]])
        assert wide.loc[place, column] == pytest.approx(100 * row["value"])
    assert wide.notna().to_numpy().sum() == len(chosen)


def test_every_kind_of_the_file_has_a_name() -> None:
    assert tuple(NAMES) == KINDS


def test_a_metric_without_a_factor_keeps_its_digits() -> None:
    text = format_table(interactions_table(FRAME, metric=["rms"], mute=["mean"]), "text")
    row = FRAME.query("network == 'a' and mute == 'mean' and metric == 'rms'").iloc[0]
    assert "{value:.4f} [{low:.4f}, {high:.4f}]".format(**row) in text
    assert "zero" not in text
    assert "95% interval" in text
    assert "synergy" in text


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_writes_it(format: str) -> None:
    assert "Shapley" in format_table(interactions_table(FRAME), format)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InfluenceError, match="unknown mute 'zeros': did you mean 'zero'"):
        interactions_table(FRAME, mute=["zeros"])


def test_table_from_the_shell(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "interactions.csv", index=False)
    result = CliRunner().invoke(main, ["table", "interactions", str(tmp_path), "--metric", "rms"])
    assert result.exit_code == 0, result.output
    assert result.stdout == format_table(interactions_table(FRAME, metric=["rms"]), "text")
    missing = CliRunner().invoke(main, ["table", "interactions", str(tmp_path / "gone")])
    assert missing.exit_code == 1


def test_kinds_of_another_version_are_refused() -> None:
    frame = interactions_frame().assign(kind="banzhaf")
    with pytest.raises(InfluenceError, match="unknown kind of interaction 'banzhaf'"):
        interactions_table(frame)
