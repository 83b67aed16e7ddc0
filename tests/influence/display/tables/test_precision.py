"""Tables of precision: means over seeds and their uncertainty, and what samples can detect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from influence.analysis.estimates import estimate_table
from influence.analysis.power import plan_samples
from influence.display.table import FORMATS, format_table
from influence.display.tables.precision import power_table, seeds_table
from influence.errors import InfluenceError
from tests.tables_of_runs import influence_frame, seeds_frame

SEEDS = seeds_frame(["a", "b"])
ESTIMATES = estimate_table(influence_frame(["a"]))
POWER = plan_samples(ESTIMATES, planned=400)


def test_numbers_of_seeds_are_those_of_the_frame_in_the_unit_of_the_row() -> None:
    table = seeds_table(SEEDS, metric=["mean_iou"])
    wide = table.spread(table.entries["value"])
    chosen = SEEDS[SEEDS["metric"] == "mean_iou"]
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
def test_every_format_of_seeds(format: str) -> None:
    assert "between seeds" in format_table(seeds_table(SEEDS, mute=["mean"]), format)


def test_what_is_not_known_is_said() -> None:
    assert "One seed alone" not in format_table(seeds_table(SEEDS), "text")
    assert "Without rows.h5" not in format_table(seeds_table(SEEDS), "text")
    missing = dict.fromkeys(
        ["seed_sd", "training_variance", "standard_error", "low", "high"], np.nan
    )
    alone = SEEDS.assign(seeds=1, basis="intervals", **missing)
    text = format_table(seeds_table(alone), "text")
    assert "One seed alone says nothing of training" in text
    assert "Without rows.h5 the standard errors come from the intervals" in text
    assert "[" not in text.splitlines()[4]


def test_unknown_names_of_seeds_are_refused() -> None:
    with pytest.raises(InfluenceError, match="unknown mute 'zer'"):
        seeds_table(SEEDS, mute=["zer"])
    with pytest.raises(InfluenceError, match="unknown level 'class:x'"):
        seeds_table(SEEDS, level="class:x")


def test_numbers_of_power_are_those_of_the_frame_in_the_unit_of_the_row() -> None:
    table = power_table(POWER, metric=["mean_iou"])
    wide = table.spread(table.entries["value"])
    chosen = POWER[POWER["metric"] == "mean_iou"]
    for heading, values in (
        (("measured", "ω"), chosen["omega"]),
        (("measured", "standard error"), chosen["standard_error"]),
        (("", "smallest detectable ω"), chosen["detectable"]),
        (("", "wished ω"), chosen["wished"]),
        (("", "n needed"), chosen["needed"] / 100),
    ):
        assert list(wide[heading]) == pytest.approx(list(100 * values))


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_of_power(format: str) -> None:
    assert "n needed" in format_table(power_table(POWER, mute=["mean"]), format)


def test_the_notes_say_what_was_planned_and_how() -> None:
    text = format_table(power_table(POWER), "text")
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
    cells = ESTIMATES.cells.assign(omega=0.0)
    table = power_table(plan_samples(replace(ESTIMATES, cells=cells)))
    assert table.spread(table.entries["value"])["", "n needed"].isna().all()


def test_unknown_names_of_power_are_refused() -> None:
    with pytest.raises(InfluenceError, match="unknown metric 'rmss'"):
        power_table(POWER, metric=["rmss"])
