"""The command line: every step by its name, and what it says to a user's mistakes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from experiments.networks.study import NetworkStudy
from influence.errors import InfluenceError
from tests.experiments.networks.conftest import call, readme_configuration


def told(study: NetworkStudy, *arguments: str) -> str:
    """The message of the error with which a step ends."""
    result = call(study, *arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, InfluenceError)
    return str(result.exception)


def test_the_readme_s_recipe_gives_measured_networks_and_a_comparison(study: NetworkStudy) -> None:
    influence = pd.read_csv(study.reports / "influence.csv")
    mine = influence[influence["network"] == "mine"]
    assert set(mine["source"]) == {"edge:decoder"}
    assert set(mine["target"]) == {"depth", "semantic"}
    assert mine["mute"].nunique() > 2
    twin = influence[influence["network"] == "mine-depth"]
    assert set(twin["target"]) == {"depth"}
    assert set(twin["mute"]) == {"zero"}
    comparison = pd.read_csv(study.reports / "comparison.csv")
    assert ("mine", "mine-depth") in set(comparison[["network_a", "network_b"]].itertuples(False))


def test_a_step_that_is_done_is_not_done_again(study: NetworkStudy) -> None:
    assert not call(study, "train", "mine", "guided").exception


@pytest.mark.parametrize("step", ["train", "export", "measure"])
def test_a_network_that_is_not_there_is_told_before_anything_is_done(
    empty_study: NetworkStudy, step: str
) -> None:
    message = told(empty_study, step, "mine", "mine-detph")
    assert "unknown network 'mine-detph': did you mean 'mine-depth'" in message
    assert not empty_study.work.exists()


@pytest.mark.parametrize("step", ["export", "measure"])
def test_a_network_that_is_not_trained_is_named(empty_study: NetworkStudy, step: str) -> None:
    message = told(empty_study, step, "mine")
    assert str(empty_study.folder("mine") / "weights.safetensors") in message


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("edge:decoder", "edge:decodr", "unknown module of network 'mine' 'decodr': did you mean"),
        (
            '["edge:decoder"]',
            '["depht"]',
            "unknown site of network 'mine' 'depht': Known: edge:MODULE.PATH, rgb",
        ),
        ("sites = ", "site = ", r"mine\.toml, network 'mine': site: Unexpected keyword"),
        ('["depth"]', '["deph"]', "unknown output of network 'mine-depth' 'deph'"),
        ('mutes = "zero"', "options = { width = 3 }", "mine-depth': width: Unexpected keyword"),
    ],
)
def test_a_mistake_in_the_file_is_named_before_training(
    empty_study: NetworkStudy, right: str, wrong: str, message: str
) -> None:
    text = readme_configuration()
    assert right in text
    if right == 'mutes = "zero"':
        text = text.replace('options = { outputs = ["depth"] }\n', "")
    (empty_study.results / "mine.toml").write_text(text.replace(right, wrong, 1))
    with pytest.raises(InfluenceError, match=message):
        raise InfluenceError(told(empty_study, "train"))
    assert not empty_study.work.exists()


def test_options_behind_the_names_go_to_the_measurement(
    study: NetworkStudy, tmp_path: Path
) -> None:
    other = replace(study, work=shutil.copytree(study.work, tmp_path / "work"))
    (other.work / "checkpoints" / "mine-depth.pt2").write_bytes(b"of an earlier training")
    shutil.rmtree(other.work / "measured" / "mine-depth")
    options = ["--limit", "4", "--draws", "20", "--mute", "mean"]
    result = call(other, "measure", "mine-depth", *options)
    assert not result.exception, result.output
    table = pd.read_csv(other.work / "measured" / "mine-depth" / "influence.csv")
    assert set(table["n"]) == {4}
    assert set(table["mute"]) == {"mean"}
