from __future__ import annotations

import shutil
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from experiments.figures.architectures import write_directions
from experiments.figures.pages import network_blocks
from experiments.publishing.files import Output
from experiments.publishing.published import PUBLISHED
from influence.analysis.comparison import COMPARISON_COLUMNS
from influence.errors import InfluenceError
from tests.experiments.figures.networks_tables import comparison_frame, write_networks


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reports = tmp_path_factory.mktemp("reports")
    write_networks(reports)
    shutil.copytree(PUBLISHED, reports / "published", ignore=shutil.ignore_patterns("*.p*", "*.s*"))
    list(write_directions(reports / "networks", Output()))
    return reports


@pytest.fixture
def reports(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "reports")


def lines(block: str) -> dict[str, list[str]]:
    """The lines of the tables in a block: first cell -> the others."""
    plain = unescape(block).replace("**", "")
    cells = [line.split("|")[1:-1] for line in plain.splitlines() if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in cells}


def test_the_page_has_these_blocks(reports: Path) -> None:
    blocks = network_blocks(reports)
    assert list(blocks) == ["directions", "performance", "comparison", "arora", "published"]
    page = Path(__file__).parents[3] / "reports" / "networks" / "README.md"
    text = page.read_text(encoding="utf-8")
    assert all(f"<!-- {name}:begin -->" in text for name in blocks)


def test_networks_of_five_classes_and_of_arora_s_stand_apart(reports: Path) -> None:
    blocks = network_blocks(reports)
    five, others = lines(blocks["performance"]), lines(blocks["arora"])
    assert {"trivial-wang", "fcrn-joint", "hybridnet", "depthnet"} <= five.keys()
    assert "fcrn-joint-6" not in five.keys() | lines(blocks["directions"]).keys()
    assert {"trivial-arora6", "fcrn-joint-6"} <= others.keys()
    assert "hybridnet" not in others
    assert any(cell == "44.00" for cell in others["fcrn-joint-6"])


def test_printed_numbers_stand_beside_ours(reports: Path) -> None:
    table = lines(network_blocks(reports)["published"])
    hybridnet = pd.read_csv(PUBLISHED / "hybridnet_table2.csv", dtype=str).set_index("metric")
    assert table["ARD"][:2] == [hybridnet[name]["ARD"] for name in ("HybridNet", "DepthNet [8]")]
    # ours: hybridnet, depthnet, deeplab-aspp, which is not there
    assert table["gamma<1.25"][-3:] == ["0.6000", "0.5700", "–"]
    assert table["IoUclass"][-3:] == ["60.00", "–", "–"]
    fcrn = pd.read_csv(PUBLISHED / "fcrn_readme_nyu.csv", dtype=str).set_index("method")
    assert table["rms"] == [fcrn.loc["Laina et al. ResNet-UpProj", "rms"], "0.7000", "–"]
    arora = pd.read_csv(PUBLISHED / "arora_headline.csv", dtype=str).set_index("classes")
    for classes, ours in (("6", "71.00"), ("38", "–")):
        assert table[classes] == [arora["validation_accuracy_percent"][classes], ours]


def test_twins_are_compared_in_one_table_a_metric(reports: Path) -> None:
    pd.concat(
        comparison_frame(a, b, metric)
        for metric in ("delta_1", "pixel_accuracy", "rms")
        for a, b in (("hybridnet", "depthnet"), ("fcrn-joint", "NA"))
    ).to_csv(reports / "networks" / "comparison.csv", index=False)
    block = network_blocks(reports)["comparison"]
    assert block.count("Differences between networks") == 2  # rms is not shown
    assert "fcrn-joint − NA" in block
    assert "3.00 [1.00, 5.00]" in block


def test_without_twins_there_is_no_comparison(reports: Path) -> None:
    empty = pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    empty.to_csv(reports / "networks" / "comparison.csv", index=False)
    assert network_blocks(reports)["comparison"] == ""


def test_a_table_that_is_not_there_is_named(reports: Path) -> None:
    (reports / "networks" / "comparison.csv").unlink()
    with pytest.raises(InfluenceError, match=r"comparison\.csv is missing.*gather"):
        network_blocks(reports)
