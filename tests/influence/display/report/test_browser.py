"""The page in Chromium: silent, and true to the files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from influence.display.notation import display_of
from influence.display.report.sheets import Column, read_sheets
from influence.errors import visible
from tests.influence.display.report.runs import NASTY
from tests.influence.display.report.visits import IN_CHROMIUM, Visit

pytestmark = IN_CHROMIUM


def test_everything_is_drawn_in_silence(visit: Visit) -> None:
    visit.draw()
    panels = {"performance": 2, "matrix": 2, "mutes": 2, "levels": 1}  # none of sqr_rel
    for name, count in panels.items():
        assert visit.page.locator(f"#chart-{name} .plot svg").count() == count
    for name in ("verdicts", "influence", "performance", "interactions", "distance"):
        assert visit.rows(visit.open_table(name))


def shown(column: Column, row: pd.Series) -> str:
    """Write a cell as a table of the page has to show it."""
    text = str(row.get(column.key, ""))
    display = display_of(str(row.get("metric", "")))
    if column.kind == "metric":
        return display.label
    if column.kind == "unit":
        unit = str(row.get("unit", ""))
        return display.gain_unit(unit) if column.of == "gain" else display.unit or unit
    if column.kind == "p":
        return "< 0.001" if float(text) < 0.001 else f"{float(text):.3f}"
    if column.kind == "flag":
        return "yes" if text == "True" else ""
    if column.kind == "number":
        return f"{float(text) * column.factor:.{column.digits}f}"
    if column.kind == "name":
        return text
    sign, factor, digits = "", display.factor, display.digits
    if column.kind == "gain":
        sign, factor, digits = "+", display.gain, display.gain_digits
    numbers = [
        f"{float(row[key]) * factor:{sign}.{digits}f}" for key in (column.key, *(column.ends or ()))
    ]
    numbers = [number.replace("-", "−") for number in numbers]
    return numbers[0] if len(numbers) == 1 else f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"


@pytest.mark.parametrize("name", ["influence", "performance", "distance", "verdicts"])
def test_every_shown_cell_is_that_of_the_file(visit: Visit, run: Path, name: str) -> None:
    (sheet,) = [sheet for sheet in read_sheets([run]) if sheet.name == name]
    units = pd.read_csv(run / "influence.csv").groupby("metric")["unit"].first().fillna("")
    frame = sheet.texts.assign(unit=sheet.texts["metric"].map(units)) if "metric" in sheet.texts \
        else sheet.texts  # fmt: skip
    frame = frame.map(visible)
    expected = [[shown(column, row) for column in sheet.columns] for _, row in frame.iterrows()]
    assert visit.all_rows(visit.open_table(name)) == expected


def test_sorting(visit: Visit, run: Path) -> None:
    place = visit.open_table("influence")
    visit.page.locator(f"{place} select[name=metric]").select_option("rms")
    frame = pd.read_csv(run / "influence.csv")
    frame = frame[(frame["metric"] == "rms") & (frame["level"] == "all")]
    heading = visit.page.locator(f"{place} th", has_text="influence ω")
    for direction, ascending in (("ascending", True), ("descending", False)):
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == direction
        found = [row[6].split(" ")[0].replace("−", "-") for row in visit.rows(place)]
        ordered = frame["omega"].sort_values(ascending=ascending)
        assert found == [f"{omega:+.4f}" for omega in ordered[:25]]
    visit.page.locator(f"{place} th button", has_text="network").click()
    assert heading.get_attribute("aria-sort") == "none"


def test_filters_say_how_many_rows_they_find(visit: Visit, run: Path) -> None:
    place = visit.open_table("influence")
    frame = pd.read_csv(run / "influence.csv")
    status = visit.page.locator(f"{place} .status")
    whole = int((frame["level"] == "all").sum())
    assert status.get_attribute("role") == "status"
    assert status.text_content() == f"Rows 1 to 25 of {whole} found, of {len(frame)} in this table."
    visit.page.locator(f"{place} select[name=mute]").select_option("mean")
    visit.page.locator(f"{place} input[type=search]").fill("=1+1 RMS")
    rows = visit.rows(place)
    assert {(row[0], row[1], row[4]) for row in rows} == {("=1+1", "mean", "rms")}
    assert status.text_content() == f"Rows 1 to 2 of 2 found, of {len(frame)} in this table."
    visit.page.locator(f"{place} input[type=search]").fill("nothing of this name")
    assert status.text_content() == f"0 found, of {len(frame)} in this table."
    visit.page.locator(f"{place} button[type=reset]").click()
    found = f"Rows 1 to 25 of {len(frame)} found, of {len(frame)} in this table."
    assert status.text_content() == found


@pytest.mark.parametrize("name", ["influence", "interactions"])
def test_a_download_is_the_file(visit: Visit, run: Path, tmp_path: Path, name: str) -> None:
    place = visit.open_table(name)
    visit.page.locator(f"{place} [name=guard]").uncheck()
    path = visit.download(place, "all", tmp_path)
    assert path.name == f"{name}.csv"
    assert path.read_bytes().decode() == visible((run / f"{name}.csv").read_bytes().decode())


def test_a_download_guards_formulas(visit: Visit, run: Path, tmp_path: Path) -> None:
    place = visit.open_table("influence")
    found = pd.read_csv(visit.download(place, "all", tmp_path), dtype="str", keep_default_na=False)
    frame = pd.read_csv(run / "influence.csv", dtype="str", keep_default_na=False).map(visible)
    assert (frame["omega"].str.startswith("-")).any()
    assert (found["network"] == "'=1+1").sum() == (frame["network"] == "=1+1").sum() > 0
    pd.testing.assert_frame_equal(found.replace("'=1+1", "=1+1"), frame)


def test_a_download_of_found_rows(visit: Visit, run: Path, tmp_path: Path) -> None:
    place = visit.open_table("influence")
    name = NASTY["jrn-cat60"]
    visit.page.locator(f"{place} select[name=network]").select_option(name)
    visit.page.locator(f"{place} th button").first.click()
    found = pd.read_csv(visit.download(place, "found", tmp_path))
    frame = pd.read_csv(run / "influence.csv")
    frame = frame[(frame["network"] == name) & (frame["level"] == "all")]
    pd.testing.assert_frame_equal(found, frame.reset_index(drop=True))


def test_pointing_at_a_mark_shows_its_values(visit: Visit, run: Path) -> None:
    visit.draw()
    frame = pd.read_csv(run / "influence.csv")
    frame = frame[(frame["metric"] == "mean_iou") & (frame["level"] == "all")]
    frame = frame[(frame["source"] == "depth") & (frame["mute"] == "zero")]
    visit.see("#chart-performance")
    marks = visit.page.locator("#chart-performance .panel").first.locator(".mark-symbol path")
    assert marks.count() == len(frame)
    for place, (_, row) in enumerate(frame.iterrows()):
        marks.nth(place).hover(force=True)
        texts = visit.page.locator("#hover dd").all_text_contents()
        assert texts[0] == visible(row["network"])
        omega = [f"{100 * row[key]:+.2f}" for key in ("omega", "omega_low", "omega_high")]
        said = f"{omega[0]} [{omega[1]}, {omega[2]}] percentage points".replace("-", "−")
        assert texts[1] == said
        assert texts[2] == f"{100 * row['full']:.2f}%"
    visit.page.mouse.move(0, 0)
    assert not visit.page.locator("#hover").is_visible()


def test_what_is_typed_is_found(visit: Visit, run: Path) -> None:
    place = visit.open_table("influence")
    visit.page.locator(f"{place} button[type=reset]").click()
    counts = {}
    for text in ("-0.", "−0.", "mean_iou", "mean IoU"):
        visit.page.locator(f"{place} input[type=search]").fill(text)
        counts[text] = visit.page.locator(f"{place} .status").text_content()
    assert counts["-0."] == counts["−0."] != counts["mean_iou"] == counts["mean IoU"]
    frame = pd.read_csv(run / "influence.csv")
    found = (frame["metric"] == "mean_iou").sum()
    assert (counts["mean_iou"] or "").startswith(f"Rows 1 to 25 of {found} found")


def test_plots_follow_the_choices(visit: Visit, run: Path) -> None:
    visit.draw()
    axis = visit.page.locator("#chart-performance .panel").nth(1).locator(".role-axis-title")
    assert "100·rel(sqr)" in (axis.first.text_content() or "")
    visit.page.locator("#choices select[name='metric:depth']").select_option("rms")
    title = visit.page.locator("#chart-performance .role-axis-title", has_text="−rms, m")
    title.first.wait_for(state="attached")
    visit.page.locator("#chart-matrix a").click()
    assert visit.page.locator("#sheet-influence").get_attribute("open") is not None
    visit.page.locator("#sheet-influence > summary:focus").wait_for()
    assert {row[1] for row in visit.rows(visit.open_table("influence"))} == {"zero"}


def test_cards_are_ordered_by_omega_and_their_names_stay_text(visit: Visit) -> None:
    visit.see("#gallery")
    visit.page.locator(".card").first.wait_for()
    assert visit.page.locator(".cards[data-side=helped] h4").all_text_contents() == [
        "<b>helped</b> 1",
        "<b>helped</b> 2",
    ]
    assert visit.page.locator(".card .gain").first.text_content() == (
        "mean IoU 50.00% with depth, 25.00% without: ω +25.00, in percentage points."
    )
    assert visit.page.locator("#gallery .legend").text_content() == "<i>floor</i>"
    assert visit.page.locator("#gallery b, #gallery i").count() == 0
    for image in visit.page.locator(".card img").all():
        assert image.get_attribute("alt")
        assert image.evaluate("image => image.complete && image.naturalWidth") == 1


def test_names_stay_text(visit: Visit) -> None:
    visit.draw()
    names = {row[0] for row in visit.all_rows(visit.open_table("influence"))}
    assert names == set(map(visible, NASTY.values()))
    # The scripts of the page itself, its packets, and the plotting library.
    assert visit.page.locator("script").count() == 9 + 1
    labels = visit.page.locator("#chart-matrix .role-axis-label text").all_text_contents()
    assert {"<script>alert(1)</script>", "=1+1"} <= set(labels)
