"""The table of seeds: means with their interval, and what makes them uncertain."""

from __future__ import annotations

import numpy as np
import pytest

from influence.display.table import FORMATS, format_table
from influence.display.tables.seeds import seeds_table
from influence.errors import InfluenceError
from tests.tables_of_runs import seeds_frame

FRAME = seeds_frame(["a", "b"])


def test_numbers_are_those_of_the_frame_in_the_unit_of_the_row() -> None:
    table = seeds_table(FRAME, metric=["mean_iou"])
    wide = table.spread(table.entries["value"])
    chosen = FRAME[FRAME["metric"] == "mean_iou"]
    training = np.sqrt(chosen["training_variance"].clip(lower=0))
    for heading, values in (
        (("", "seeds"), chosen["seeds"] / 100),
        (("", "ω, mean over seeds"), chosen["omega"]),
        (("sd", "between seeds"), chosen["seed_sd"]),
        (("sd", "by training"), training),
        (("standard error", "by samples"), np.sqrt(chosen["test_variance"])),
        (("standard error", "in all"), chosen["standard_error"]),
    ):
        assert list(wide[heading]) == pytest.approx(list(100 * values))
    assert list(wide["", "mute"]) == ["zero", "zero", "mean", "mean"] * 2
    assert (training == 0).any()  # a negative estimate is shown as none
    low = table.spread(table.entries["low"])["", "ω, mean over seeds"]
    assert list(low) == pytest.approx(list(100 * chosen["low"]))


@pytest.mark.parametrize("format", FORMATS)
def test_every_format(format: str) -> None:
    assert "between seeds" in format_table(seeds_table(FRAME, mute=["mean"]), format)


def test_what_is_not_known_is_said() -> None:
    assert "One seed alone" not in format_table(seeds_table(FRAME), "text")
    assert "Without rows.h5" not in format_table(seeds_table(FRAME), "text")
    missing = dict.fromkeys(
        ["seed_sd", "training_variance", "standard_error", "low", "high"], np.nan
    )
    alone = FRAME.assign(seeds=1, basis="intervals", **missing)
    text = format_table(seeds_table(alone), "text")
    assert "One seed alone says nothing of training" in text
    assert "Without rows.h5 the standard errors come from the intervals" in text
    assert "[" not in text.splitlines()[4]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InfluenceError, match="unknown mute 'zer'"):
        seeds_table(FRAME, mute=["zer"])
    with pytest.raises(InfluenceError, match="unknown level 'class:x'"):
        seeds_table(FRAME, level="class:x")
