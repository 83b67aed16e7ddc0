"""Verdicts are medians of ratios within rounds, held against the limits."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.benchmarks.cases import INFLUENCE
from experiments.benchmarks.report import (
    blocks,
    draw_times,
    in_units_of,
    judge,
    parts_table,
    write_report,
)
from experiments.publishing.files import FIGURES, Output
from experiments.publishing.pages import fill_blocks

SECONDS = {
    ("memory", "influence"): [13.5, 26.0, 15.0],
    ("memory", "plain pass"): [10.0, 20.0, 10.0],
    ("memory", "setup loop"): [40.0, 80.0, 40.0],
    ("memory", "captum"): [20.0, 40.0, 20.0],
    ("memory", "forward"): [8.0, 16.0, 8.0],
    ("memory", "shared"): [10.0, 20.0, 10.0],
    ("memory", "metrics"): [1.0, 2.0, 1.0],
    ("memory", "reading"): [0.8, 1.6, 0.8],
}
STATISTICS = 1.0


def rounds(case: str = "late fusion") -> pd.DataFrame:
    """Make three rounds; the second ran while the machine was busy."""
    return pd.DataFrame(
        {
            "case": case,
            "network": "n",
            "source": source,
            "contender": contender,
            "round": number,
            "seconds": seconds,
            "evaluate": seconds - STATISTICS - 0.1 if contender == "influence" else None,
            "statistics": STATISTICS if contender == "influence" else 0.0,
            "n": 512,
            "resolution": "96x96",
            "batch_size": 16,
        }
        for (source, contender), times in SECONDS.items()
        for number, seconds in enumerate(times)
    )


def write_records(folder: Path) -> None:
    """Write all the CSVs that a benchmark leaves."""
    pd.concat([rounds("JRN Sum60"), rounds()]).to_csv(folder / "rounds.csv", index=False)
    check = {"case": "late fusion", "source": "file", "largest_difference": 0.0}
    pd.DataFrame(
        [
            {**check, "contender": "influence", "reads_per_sample": 1.0, "path": "shared"},
            {**check, "contender": "captum", "reads_per_sample": 2.4},
        ]
    ).to_csv(folder / "checks.csv", index=False)
    flops = {"plain": 100, "each setup by itself": 400, "shared": 104, "least possible": 100}
    pd.DataFrame(
        {"case": "late fusion", "what": what, "flops": count, "of_plain": count / 100}
        for what, count in flops.items()
    ).to_csv(folder / "flops.csv", index=False)
    times = {("influence", 2000): 0.5, ("BootStrapper", 20): 0.9, ("BootStrapper", 40): 2.0}
    pd.DataFrame(
        {"case": "intervals", "contender": name, "draws": draws, "wanted_draws": 2000, "round": 0,
         "seconds": seconds}
        for (name, draws), seconds in times.items()
    ).to_csv(folder / "intervals.csv", index=False)  # fmt: skip
    peaks = {2000: [400.0, 402.0, 401.0], 20000: [500.0, 420.0, 421.0]}
    pd.DataFrame(
        {"case": "memory", "samples": samples, "round": number, "peak_mebibytes": peak}
        for samples, found in peaks.items()
        for number, peak in enumerate(found)
    ).to_csv(folder / "memory.csv", index=False)
    pd.DataFrame([{"case": "late fusion", "cpu": "c", "threads": 2}]).to_csv(
        folder / "machine.csv", index=False
    )


def test_ratios_are_taken_within_a_round() -> None:
    found = in_units_of("plain pass", rounds()).loc["late fusion"].iloc[0]
    # (13.5 - 1) / 10, (26 - 1) / 20, (15 - 1) / 10; of the medians it would be 1.4.
    assert found["influence"] == pytest.approx(1.25)
    assert found["setup loop"] == pytest.approx(4.0)


def test_every_line_has_its_value_and_limit(tmp_path: Path) -> None:
    write_records(tmp_path)
    judged = {(row["case"], row["what"]): row for row in judge(tmp_path).to_dict("records")}
    expected = {
        ("late fusion", "time / plain pass"): (1.25, 1.35),
        ("late fusion", "time / setup loop"): (0.3125, 1.03),
        ("late fusion", "time / captum"): (0.625, 0.5),
        ("late fusion", "reads per sample"): (1.0, 1.0),
        ("late fusion", "FLOPs / least possible"): (1.04, 1.05),
        ("JRN Sum60", "time / setup loop"): (0.3125, 0.85),
        # 0.9 s for 20 draws are 90 s for 2,000, fewer than by the other row.
        ("intervals", "time / BootStrapper, scaled"): (0.5 / 90, 1 / 200),
        ("intervals", "seconds"): (0.5, 1.0),
        ("memory", "peak of 20000 / of 2000 samples"): (421 / 401, 1.1),
    }
    assert set(judged) == set(expected)
    for key, (value, limit) in expected.items():
        found = judged[key]
        assert (found["value"], found["limit"]) == pytest.approx((value, limit))
        assert found["met"] == (value <= limit)
    assert list(dict.fromkeys(judge(tmp_path)["case"])) == [
        "late fusion", "JRN Sum60", "intervals", "memory",
    ]  # fmt: skip


def test_the_parts_add_up_to_the_whole() -> None:
    found = parts_table(pd.concat([rounds("JRN Sum60"), rounds()])).iloc[0]
    assert found["case"] == "late fusion"
    parts = found[["forward", "muted parts", "reading", "metrics", "rest"]].astype(float)
    assert parts.tolist() == pytest.approx([1.0, 0.25, 0.1, 0.125, 0.0875])
    assert parts.sum() == pytest.approx(found["whole"])


def test_nothing_measured_is_nothing_judged(tmp_path: Path) -> None:
    assert judge(tmp_path).empty


def test_seconds_are_over_those_of_a_contender_in_the_same_round() -> None:
    rounds = pd.DataFrame(
        {
            "case": "c",
            "source": "file",
            "statistics": [1.0, 0.0],
            "contender": [INFLUENCE, "captum"],
            "round": 0,
            "seconds": [4.0, 6.0],
        }
    )
    assert in_units_of("captum", rounds)[INFLUENCE].tolist() == [0.5]


README = Path(__file__).parents[3] / "reports" / "benchmarks" / "README.md"


def test_files_and_the_first_row_of_the_readme(tmp_path: Path) -> None:
    write_records(tmp_path)
    written = {path.name for path in write_report(tmp_path, Output(FIGURES))}
    assert written == {"judged.csv", "parts.csv", "times.png", "times.pdf", "times.svg"}
    page = fill_blocks(README.read_text(encoding="utf-8"), blocks(tmp_path))
    head, rule, first = re.findall(r"^\|.*\|$", page, flags=re.MULTILINE)[:3]
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert rule.startswith("|:--")
    assert dict(zip([c.strip() for c in head.strip("|").split("|")], cells, strict=True)) == {
        "case": "late fusion", "source": "memory", "whole": "1.56", "forward": "1",
        "muted parts": "0.25", "reading": "0.1", "metrics": "0.125", "rest": "0.0875",
    }  # fmt: skip
    assert "**no**" in page
    first_bytes = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    list(write_report(tmp_path, Output(FIGURES)))
    assert fill_blocks(page, blocks(tmp_path)) == page
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first_bytes


def test_what_is_not_measured_yet_says_so(tmp_path: Path) -> None:
    pd.DataFrame([{"case": "late fusion", "cpu": "c"}]).to_csv(tmp_path / "machine.csv")
    list(write_report(tmp_path, Output()))
    page = fill_blocks(README.read_text(encoding="utf-8"), blocks(tmp_path))
    assert page.count("Not measured yet.") == 6


def test_the_figure_has_a_sign_a_contender_and_case_and_the_limits() -> None:
    both = pd.concat([rounds("JRN Sum60"), rounds()], ignore_index=True)
    (axes,) = draw_times(both).axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert np.asarray(lines["influence"].get_xdata()).tolist() == [1.25, 1.25]
    assert np.asarray(lines["setup loop"].get_xdata()).tolist() == [4.0, 4.0]
    assert np.asarray(lines["limit"].get_xdata()).tolist() == pytest.approx(
        [1.0, 3.4]
    )  # half of Captum, 0.85 of the loop
    assert [text.get_text() for text in axes.get_yticklabels()] == ["late fusion", "JRN Sum60"]
