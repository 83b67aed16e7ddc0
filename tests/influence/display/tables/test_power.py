"""The table of what samples can detect."""

from __future__ import annotations

import pytest

from influence.analysis.estimates import estimate_table
from influence.analysis.power import plan_samples
from influence.display.table import FORMATS, format_table
from influence.display.tables.power import power_table
from influence.errors import InfluenceError
from tests.tables_of_runs import influence_frame

ESTIMATES = estimate_table(influence_frame(["a"]))
FRAME = plan_samples(ESTIMATES, planned=400)


def test_numbers_are_those_of_the_frame_in_the_unit_of_the_row() -> None:
    table = power_table(FRAME, metric=["mean_iou"])
    wide = table.spread(table.entries["value"])
    chosen = FRAME[FRAME["metric"] == "mean_iou"]
    for heading, values in (
        (("measured", "ω"), chosen["omega"]),
        (("measured", "standard error"), chosen["standard_error"]),
        (("", "smallest detectable ω"), chosen["detectable"]),
        (("", "wished ω"), chosen["wished"]),
        (("", "n needed"), chosen["needed"] / 100),
    ):
        assert list(wide[heading]) == pytest.approx(list(100 * values))


@pytest.mark.parametrize("format", FORMATS)
def test_every_format(format: str) -> None:
    assert "n needed" in format_table(power_table(FRAME, mute=["mean"]), format)


def test_the_notes_say_what_was_planned_and_how() -> None:
    text = format_table(power_table(FRAME), "text")
    assert "level 0.05, power 80%" in text
    assert "by 400 samples. n needed: for ω as large as measured." in text
    assert "Without rows.h5" in text
    assert "Samples are drawn by" not in text
    wished = plan_samples(ESTIMATES, omega=0.01)
    grouped = format_table(power_table(wished.assign(units=30, basis="rows")), "text")
    assert "for that ω" in grouped
    assert f"Samples are drawn by {wished['n'].iloc[0] / 30:.3g} (groups" in grouped
    assert "Without rows.h5" not in grouped


def test_what_needs_infinitely_many_has_no_number() -> None:
    table = power_table(plan_samples(ESTIMATES, omega=0.0))
    assert table.spread(table.entries["value"])["", "n needed"].isna().all()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InfluenceError, match="unknown metric 'rmss'"):
        power_table(FRAME, metric=["rmss"])
