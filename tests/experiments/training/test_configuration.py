from __future__ import annotations

from pathlib import Path

import pytest
import torch

from experiments.training.configuration import (
    find_object,
    make_loss,
    make_network,
    read_configuration,
    read_settings,
)
from influence.errors import InfluenceError
from tests.experiments.training.tiny import Tiny, TinyConfig

ROOT = Path(__file__).parents[3] / "experiments"
TINY = """
network = "tests.experiments.training.tiny:Tiny"
loss = "models.single_task:single_task_loss"
options = { width = 3 }
recipe = { epochs = 2 }
[networks.one]
[networks.other]
recipe = { slow_parts = ["first"], rate = 1 }
options = { dropout = 0.5 }
sites = ["edge:first"]
"""
SETTINGS = 'name = "s"\n[single_task]\n[joint]\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "networks.toml"
    path.write_text(text)
    return path


def test_each_network_has_the_common_keys_and_its_own(tmp_path: Path) -> None:
    plans = read_configuration(write(tmp_path, TINY))
    assert [*plans] == ["one", "other"]
    other = plans["other"]
    assert other.name == "other"
    assert (other.recipe.epochs, other.recipe.slow_parts, other.recipe.rate) == (2, ("first",), 1.0)
    assert other.options == {"width": 3, "dropout": 0.5}
    assert other.sites == ("edge:first",)
    assert plans["one"].recipe.slow_parts == ()


def test_a_network_is_made_from_its_options_and_its_seed(tmp_path: Path) -> None:
    plans = read_configuration(write(tmp_path, TINY))
    network, again = make_network(plans["other"]), make_network(plans["other"])
    assert isinstance(network, Tiny)
    assert isinstance(again, Tiny)
    assert network.config == TinyConfig(width=3, dropout=0.5)
    assert torch.equal(network.first.weight, again.first.weight)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("epoch = 3", "epoch: Unexpected keyword"),
        ("recipe = { epoch = 3 }", "recipe.epoch: Unexpected keyword"),
        ("recipe = { epochs = '3' }", "recipe.epochs: Input should be a valid integer"),
        ("recipe = { epochs = 3.0 }", "recipe.epochs: Input should be a valid integer"),
        ("recipe = { epochs = true }", "recipe.epochs: Input should be a valid integer"),
        ("recipe = { epochs = 0 }", "recipe.epochs: .*greater than 0"),
        ("recipe = { rate = nan }", "JSON"),
        ("recipe = { rate = inf }", "JSON"),
        ("recipe = { rate = 1979-05-27 }", "date"),
        ("recipe = { held_out = 1.0 }", "recipe.held_out: .*less than 1"),
        ("recipe = { zoom = 0.5 }", "recipe.zoom: .*greater than or equal to 1"),
        ("recipe = { precision = '64' }", "recipe.precision: Input should be 'auto'"),
        ("recipe = { optimiser = 'adam' }", "recipe.optimiser"),
        ("recipe = 3", "recipe: Input should be an object"),
        ("changes = 'one'", "changes: Input should be a valid array"),
        ("labels = '../wang'", "labels: String should match"),
        ("seed = -1", "seed: "),
        ("teacher = 'onee'", "did you mean 'one'"),
        ("teacher = 'other'", "other network"),
        ("compared_with = 'two'", "other network"),
        ("name = 'x'", "without a key name"),
    ],
)
def test_what_a_network_cannot_have_is_told(tmp_path: Path, line: str, told: str) -> None:
    text = TINY.split("[networks.other]")[0] + f"[networks.other]\n{line}\n"
    with pytest.raises(InfluenceError, match=told):
        read_configuration(write(tmp_path, text))


@pytest.mark.parametrize("name", ["../up", ".hidden", "a/b", "", "a b", "é", "a" * 81, "a\\nb"])
def test_a_name_that_is_no_folder_s_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InfluenceError, match="name: String should"):
        read_configuration(write(tmp_path, TINY + f'[networks."{name}"]\n'))


@pytest.mark.parametrize(
    "text",
    [
        "networks",
        "a = 1\na = 2",
        "\udcff",
        "a = " + "[" * 5000 + "]" * 5000,
        "",
        "networks = 3",
        "[networks]",
        "[networks]\none = 3",
        'network = "a:b"\n[networks.one]',
    ],
)
def test_what_is_no_configuration_is_a_message(tmp_path: Path, text: str) -> None:
    path = tmp_path / "networks.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InfluenceError, match=r"networks\.toml"):
        read_configuration(path)


def test_a_missing_file_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match=r"nowhere\.toml"):
        read_settings(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "name", ["", "models", "models:", ":x", "models.nothing:x", ".x:y", "a b:c"]
)
def test_an_object_that_is_not_there_is_a_message(name: str) -> None:
    with pytest.raises(InfluenceError, match="expected module:object"):
        find_object(name)


def test_a_module_that_fails_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "failing_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InfluenceError, match="division by zero"):
        find_object("failing_module:x")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("options = { widht = 3 }", "options of network 'one': widht: Unexpected"),
        ("options = { width = 'wide' }", "width: Input should be a valid integer"),
        ("options = { dropout = 2.0 }", "dropout probability"),
        ("network = 'math:pi'", "math:pi is not a network"),
        ("network = 'torch.nn:ReLU'", "is not a network"),
    ],
)
def test_a_network_that_cannot_be_made_is_told(tmp_path: Path, change: str, told: str) -> None:
    plans = read_configuration(
        write(tmp_path, TINY.replace("[networks.one]", f"[networks.one]\n{change}"))
    )
    with pytest.raises(InfluenceError, match=told):
        make_network(plans["one"])


def test_a_loss_takes_its_options_and_no_others(tmp_path: Path) -> None:
    good = TINY.replace("[networks.one]", "[networks.one]\nloss_options = { ignore = 4 }")
    loss = make_loss(read_configuration(write(tmp_path, good))["one"])
    logits = {"semantic": torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).repeat(1, 1, 1, 2)}
    found = loss(logits, torch.ones(1, 1, 2), torch.tensor([[[1, 4]]]))
    assert float(found) == pytest.approx(float(torch.tensor([0.0, 1.0]).logsumexp(0)) - 1)
    wrong = read_configuration(write(tmp_path, good.replace("ignore", "ignored")))["one"]
    with pytest.raises(InfluenceError, match="unexpected keyword argument 'ignored'"):
        make_loss(wrong)
    constant = TINY.replace("models.single_task:single_task_loss", "math:pi")
    with pytest.raises(InfluenceError, match="not a callable"):
        make_loss(read_configuration(write(tmp_path, constant))["one"])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("fold = 3", "fold: Unexpected keyword"),
        ("max_depth = 66.0", "max_depth: .*less than or equal to 65.5"),
        ("width = 0", "width: "),
        ("variants = ['cat6']", "did you mean 'cat60'"),
        ("labels = '..'", "labels: "),
        ("open_split = 'x'", "open_split: Unexpected keyword"),
    ],
)
def test_settings_are_checked_too(tmp_path: Path, line: str, told: str) -> None:
    assert read_settings(write(tmp_path, SETTINGS)).name == "s"
    with pytest.raises(InfluenceError, match=told):
        read_settings(write(tmp_path, f"{line}\n{SETTINGS}"))


@pytest.mark.parametrize(("study", "epochs"), [("nyuv2", (20, 40)), ("rooms", (8, 24))])
def test_the_published_studies_are_trained_as_the_paper_says(
    study: str, epochs: tuple[int, int]
) -> None:
    settings = read_settings(ROOT / study / "study.toml")
    single, joint = settings.single_task, settings.joint
    assert (settings.name, settings.folds, settings.seed) == (study, 3, 0)
    assert (single.epochs, joint.epochs) == epochs
    # arXiv 1702.08009, section IV-A
    assert (joint.optimiser, joint.batch_size, joint.rate, joint.momentum) == ("sgd", 1, 1e-3, 0.9)
    assert single.slow_parts == ("pyramid.trunk",)


def test_the_published_networks_can_be_read() -> None:
    names = [
        name for path in (ROOT / "networks").glob("*.toml") for name in read_configuration(path)
    ]
    assert len(names) == len(set(names))
    assert {"fcrn-joint", "hybridnet", "ccam"} <= {*names}
