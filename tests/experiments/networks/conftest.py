"""A study of tiny networks on a few tiny pictures, in the layout of NYU-Depth v2."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from scipy.io import savemat

from experiments.networks import __main__ as command_line
from experiments.networks.study import HERE, NetworkStudy

HEIGHT, WIDTH = 24, 32
TRAIN, TEST = range(1, 9), range(9, 15)
MODULE = "tests.experiments.networks.mine"

OTHERS = f"""
network = "{MODULE}:Guided"
loss = "{MODULE}:mine_loss"
mutes = "zero,shuffle"

[recipe]
epochs = 1
batch_size = 4

[networks.guided]
compared_with = "fcrn-depth"

[networks.fcrn-depth]
network = "{MODULE}:Mine"
options = {{ outputs = ["depth"] }}
sites = ["edge:encoder"]
mutes = "zero"
"""
"""A network that takes a depth, and that which predicts it."""

Command = Callable[..., Result]


def write_pictures(root: Path) -> None:
    """Write rooms of a floor, a wall and a table, as the folder and the split of NYU-Depth v2."""
    random = np.random.default_rng(0)
    for name in ("rgb", "depth", "label40"):
        (root / name).mkdir(parents=True)
    for number in (*TRAIN, *TEST):
        floor, left = random.integers(10, 20), random.integers(0, 24)
        labels = np.ones((HEIGHT, WIDTH), dtype=np.uint8)  # wall
        labels[floor:] = 2
        labels[floor - 4 : floor + 2, left : left + 8] = 7  # table
        labels[0] = 0  # unlabelled
        depth = np.full((HEIGHT, WIDTH), 3000 + 60 * floor) - 50 * np.arange(HEIGHT)[:, None]
        rgb = 60 * (labels[..., None] % 4) + random.integers(0, 40, (HEIGHT, WIDTH, 3))
        name = f"{number:04d}"
        Image.fromarray(rgb.astype(np.uint8)).save(root / "rgb" / f"{name}.jpg", quality=95)
        Image.fromarray(depth.astype(np.uint16)).save(root / "depth" / f"{name}.png")
        Image.fromarray(labels).save(root / "label40" / f"{name}.png")
    split = {"trainNdxs": TRAIN, "testNdxs": TEST}
    savemat(
        root / "splits.mat", {k: np.array(v, dtype=np.uint16)[:, None] for k, v in split.items()}
    )


def readme_configuration() -> str:
    """The configuration file in the README's recipe, of the network here and for one epoch."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    return str(block).replace("models.mine", MODULE).replace("epochs = 10", "epochs = 1")


def open_study(root: Path, **files: str) -> NetworkStudy:
    """Lay out a study with configuration files of these contents."""
    write_pictures(root / "data")
    (root / "results").mkdir()
    for name, text in files.items():
        (root / "results" / f"{name}.toml").write_text(text)
    return NetworkStudy(
        data=str(root / "data"),
        work=root / "work",
        results=root / "results",
        reports=root / "reports",
        height=HEIGHT,
        width=WIDTH,
    )


def call(study: NetworkStudy, *arguments: str) -> Result:
    """Run a step of the study's command line."""

    def opened(data: str | None, work: Path) -> NetworkStudy:
        return replace(study, data=data, work=work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command_line, "NetworkStudy", opened)
        where = ["--data", str(study.data), "--work", str(study.work)]
        return CliRunner().invoke(command_line.steps, [*where, *arguments])


@pytest.fixture
def empty_study(tmp_path: Path) -> NetworkStudy:
    """Nothing is trained yet."""
    return open_study(tmp_path, mine=readme_configuration(), others=OTHERS)


@pytest.fixture(scope="package")
def study(tmp_path_factory: pytest.TempPathFactory) -> NetworkStudy:
    """All is trained, measured and gathered, by the commands that the README names."""
    study = open_study(
        tmp_path_factory.mktemp("networks"), mine=readme_configuration(), others=OTHERS
    )
    for arguments in (
        ["train", "mine", "mine-depth"],
        ["train"],
        ["measure", "mine", "mine-depth", "--draws", "200"],
        ["measure", "fcrn-depth", "guided", "--draws", "200"],
        ["gather"],
    ):
        result = call(study, *arguments)
        assert result.exit_code == 0, (arguments, result.output, result.exception)
    return study
