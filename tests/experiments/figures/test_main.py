"""`python -m experiments.figures`: everything from CSVs alone, twice the same, without torch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.figures.__main__ import figures
from experiments.publishing.published import PUBLISHED
from influence.errors import InfluenceError
from tests.experiments.figures.networks_tables import write_networks
from tests.tables_of_runs import influence_frame, performance_frame, write_run

FIGURE7, MUTES, INTERACTIONS = (
    {f"{stem}.{suffix}" for suffix in ("png", "pdf", "svg")}
    for stem in ("figure7", "mutes", "interactions")
)
ROOT = PUBLISHED.parents[1]
PRINTED = [PUBLISHED / f"{name}.csv" for name in (
    "hybridnet_table1", "hybridnet_table2", "fcrn_readme_nyu", "arora_headline",
)]  # fmt: skip
EVERY = "png,pdf,svg,md,tex"
BLOCKS = ("directions", "performance", "comparison", "arora", "published")
TABLES = {
    f"{name}.{suffix}"
    for name in ("omega", "mutes", "interactions", "table1", "table3")
    for suffix in ("md", "tex")
}


def _lay_out(folder: Path) -> Path:
    """Make a folder of reports with the printed tables and a study on NYUv2."""
    (folder / "published").mkdir()
    for path in (*PUBLISHED.glob("jrn_*.csv"), *PRINTED):
        shutil.copy(path, folder / "published")
    write_run(folder / "nyuv2")
    write_networks(folder)
    blocks = "".join(f"<!-- {name}:begin -->old<!-- {name}:end -->\n" for name in BLOCKS)
    (folder / "networks" / "README.md").write_text(f"# Networks\n{blocks}")
    names = ("published", "mutes", "interactions")
    blocks = "".join(f"<!-- {name}:begin -->old<!-- {name}:end -->\n" for name in names)
    text = f"# Measured\n{blocks}Behind.\n"
    (folder / "nyuv2" / "README.md").write_text(text)
    inputs = performance_frame(["input"], []).query("setup == 'depth+semantic'")
    inputs.to_csv(folder / "nyuv2" / "inputs.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a folder of reports after the command, and what the command printed."""
    reports = _lay_out(tmp_path_factory.mktemp("reports"))
    result = CliRunner().invoke(figures, ["--reports", str(reports), "--formats", EVERY])
    assert result.exit_code == 0, result.output
    return reports, result.output


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_everything_and_skips_a_study_that_is_not_there(
    written: tuple[Path, str],
) -> None:
    reports, output = written
    assert f"skipped {reports / 'rooms'}: no influence.csv there" in output
    kept = ("influence.csv", "performance.csv", "interactions.csv", "samples.csv.gz", "inputs.csv")
    files = {path.name for path in (reports / "nyuv2").iterdir()}
    assert files == {*FIGURE7, *MUTES, *INTERACTIONS, *TABLES, *kept, "verdicts.csv", "README.md"}
    found = {path.name for path in (reports / "published").iterdir()}
    assert found >= FIGURE7
    assert not found & MUTES


def test_a_second_run_changes_no_byte_and_does_not_import_torch(
    written: tuple[Path, str],
) -> None:
    reports, _ = written
    first = _bytes(reports)
    program = (
        "import sys; from experiments.figures.__main__ import figures;"
        "figures(['--reports', *sys.argv[1:]], standalone_mode=False);"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    for path in reports.rglob("figure7.*"):
        path.unlink()
    command = [sys.executable, "-c", program, str(reports), "--formats", EVERY]
    subprocess.run(command, check=True, cwd=ROOT)
    assert _bytes(reports) == first


def test_measured_stands_beside_published_for_every_network_and_mute(
    written: tuple[Path, str],
) -> None:
    reports, _ = written
    page = (reports / "nyuv2" / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# Measured\n")
    assert page.endswith("<!-- interactions:end -->\nBehind.\n")
    assert ">old<" not in page
    table1, table3, omega = page.partition("<!-- published:end -->")[0].split("\n### ")[1:]
    networks = ["jrn-cat60", "jrn-sum60", "jrn-cat10", "jrn-cat5", "jrn-cat1"]
    rows = [line.split("|")[1].strip() for line in table1.splitlines() if line.startswith("| ")][1:]
    assert rows == [name for name in ["input", *networks] for _ in range(2)]
    assert "| 54.27 |" in " ".join(table3.split()).replace("**", "")
    zero = influence_frame().query(
        "network == 'jrn-cat1' and mute == 'zero' and target == 'semantic' "
        "and source == 'depth' and metric == 'mean_iou'"
    )
    lines = [line for line in omega.splitlines() if line.startswith("| jrn-cat1 ")]
    assert len(lines) == 3
    assert "7.59" in lines[0]
    assert f"{100 * zero['omega'].item():.2f} [" in lines[1]


def test_the_networks_have_a_figure_and_a_page(written: tuple[Path, str]) -> None:
    reports, output = written
    names = {path.name for path in (reports / "networks").iterdir()}
    assert names >= {"directions.csv", "directions.png", "directions.pdf", "directions.svg"}
    page = (reports / "networks" / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# Networks\n")
    assert ">old<" not in page
    assert f"wrote {reports / 'networks' / 'README.md'}" in output
    # with the JRNs, whose tables lie elsewhere; theirs here were measured with two mutes only
    assert "| hybridnet " in page
    assert "| jrn-cat1 " not in page


def test_networks_that_were_not_measured_or_have_no_page_are_no_error(tmp_path: Path) -> None:
    reports = _lay_out(tmp_path)
    shutil.rmtree(reports / "nyuv2")
    (reports / "networks" / "README.md").unlink()
    result = CliRunner().invoke(figures, ["--reports", str(reports)])
    assert result.exit_code == 0, result.output
    assert (reports / "networks" / "directions.csv").exists()
    (reports / "networks" / "influence.csv").unlink()
    result = CliRunner().invoke(figures, ["--reports", str(reports)])
    assert result.exit_code == 0, result.output
    assert f"skipped {reports / 'networks'}: no influence.csv there" in result.output


def test_a_broken_table_ends_clearly_and_leaves_the_earlier_figure(tmp_path: Path) -> None:
    reports = _lay_out(tmp_path)
    (reports / "nyuv2" / "influence.csv").write_text("network,omega\na,1\n")
    (reports / "nyuv2" / "figure7.png").write_bytes(b"earlier")
    result = CliRunner().invoke(figures, ["--reports", str(reports)])
    assert isinstance(result.exception, InfluenceError)
    assert "influence.csv: expected the columns" in str(result.exception)
    assert (reports / "nyuv2" / "figure7.png").read_bytes() == b"earlier"


def test_by_default_only_what_a_readme_shows_is_written(tmp_path: Path) -> None:
    reports = _lay_out(tmp_path)
    page = reports / "nyuv2" / "README.md"
    page.write_text(page.read_text() + "![mutes](mutes.png) and [a table](omega.md)\n")
    before = {path.name for path in page.parent.iterdir()}
    result = CliRunner().invoke(figures, ["--reports", str(reports)])
    assert result.exit_code == 0, result.output
    new = {path.name for path in page.parent.iterdir()} - before
    assert new == {"mutes.png", "omega.md", "verdicts.csv"}


def test_a_readme_that_differs_from_the_csvs_is_found(tmp_path: Path) -> None:
    reports = _lay_out(tmp_path)
    arguments = ["--reports", str(reports)]
    assert CliRunner().invoke(figures, arguments).exit_code == 0
    result = CliRunner().invoke(figures, [*arguments, "--check"])
    assert result.exit_code == 0, result.output
    page = reports / "nyuv2" / "README.md"
    page.write_text(page.read_text(encoding="utf-8").replace("54.27", "54.28"), encoding="utf-8")
    result = CliRunner().invoke(figures, [*arguments, "--check"])
    assert isinstance(result.exception, InfluenceError)
    assert f"{page}, line" in str(result.exception)


def test_an_unknown_format_is_an_error() -> None:
    result = CliRunner().invoke(figures, ["--formats", "png,pgn"])
    assert "unknown format 'pgn': did you mean 'png'" in str(result.exception)
