"""Text of tables: it holds the numbers, and no name can break out of its cell."""

from __future__ import annotations

import io
from dataclasses import replace

import pandas as pd
import pytest

from influence.display.table import FORMATS, format_table
from influence.display.tables.omega import omega_table
from influence.display.tables.performance import performance_table
from influence.errors import InfluenceError
from tests.tables_of_runs import NETWORKS, influence_frame, performance_frame

HOSTILE = ["<script>", "a|b", "x_y & 50%", "[z]\nnew $\\pi$ {line}"]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_names_every_network_and_ends_a_line(format: str) -> None:
    text = format_table(performance_table(performance_frame()), format)
    assert all(network in text for network in NETWORKS)
    assert text.endswith("\n")


def test_csv_holds_the_unrounded_numbers() -> None:
    frame = influence_frame()
    read = pd.read_csv(io.StringIO(format_table(omega_table(frame, mute=["zero"]), "csv")))
    rows = frame.query("mute == 'zero' and source == 'depth' and metric == 'mean_iou'")
    for part, column in {"": "omega", " low": "omega_low", " high": "omega_high"}.items():
        shown = read[f"depth → semantic: mean IoU, %{part}"]
        assert list(shown) == pytest.approx(list(100 * rows[column]), rel=1e-12)


def test_markdown_has_as_many_cells_in_every_line_whatever_the_names() -> None:
    text = format_table(performance_table(performance_frame(HOSTILE)), "md")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(HOSTILE)
    bars = {line.replace(r"\|", "").count("|") for line in lines}
    assert len(bars) == 1
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert r"a\|b" in text


def test_latex_escapes_names_and_has_as_many_cells_in_every_line() -> None:
    text = format_table(performance_table(performance_frame(HOSTILE)), "tex")
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == len(HOSTILE)
    assert {line.replace(r"\&", "").count("&") for line in body} == {5}
    assert r"x\_y \& 50\%" in body[2]
    # A bracket at the start of a line would be the argument of the line break before it.
    assert body[3].startswith(r"{[}z{]} new \$\textbackslash{}pi\$ \{line\}")


def test_latex_is_ascii_so_that_every_engine_reads_it() -> None:
    for table in (omega_table(influence_frame()), performance_table(performance_frame())):
        assert format_table(table, "tex").isascii()


def test_latex_uses_booktabs_and_bold() -> None:
    text = format_table(performance_table(performance_frame()), "tex")
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\textbf{"))


def test_a_minus_is_a_minus_in_latex_only() -> None:
    frame = influence_frame(["net"], ["zero"])
    frame["omega"] = -0.25
    table = omega_table(frame, metric=["mean_iou"], interval=False)
    assert "$-$25.00" in format_table(table, "tex")
    assert "-25.00" in format_table(table, "md")


def test_a_missing_cell_is_a_dash_and_a_missing_interval_is_left_out() -> None:
    frame = influence_frame(["a", "b"], ["zero"])
    frame = frame[(frame["network"] == "a") | (frame["source"] == "depth")]
    frame[["omega_low", "omega_high", "confidence", "p_holm"]] = float("nan")
    text = format_table(omega_table(frame), "text")
    last = text.splitlines()[5].split()
    assert last[0] == "b"
    assert last.count("–") == 2
    assert "[" not in text


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InfluenceError, match="unknown format 'html'"):
        format_table(omega_table(influence_frame()), "html")


def test_a_stacked_table_puts_intervals_below_their_values() -> None:
    plain = performance_table(performance_frame(["a-b c", "d"]), interval=True)
    stacked = replace(plain, stacked=True)
    markdown = format_table(stacked, "md")
    values = [part for part in format_table(plain, "md").split("|") if "[" in part]
    cells = [part for part in markdown.split("|") if "<br>[" in part]
    assert len(cells) == len(values) > 0
    latex = format_table(stacked, "tex")
    assert latex.count(r"\shortstack{") >= len(values)
    assert r"\begin{table*}" in latex
    assert r"\end{table*}" in latex
    assert r"\shortstack{pixel\\accuracy,\\\% $\uparrow$}" in latex  # the arrow is never alone
    assert latex.isascii()
    assert format_table(stacked, "csv") == format_table(plain, "csv")
    best = [cell for cell in cells if "**" in cell]
    assert best
    assert all(cell.strip().endswith("]") for cell in best)  # bold is the value alone
