"""The report follows from the CSVs alone, and is the same when written again."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.benchmarks.report import blocks, draw_times, write_report
from experiments.publishing.files import FIGURES, Output
from experiments.publishing.pages import fill_blocks
from tests.experiments.benchmarks.test_verdicts import rounds, write_records

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
