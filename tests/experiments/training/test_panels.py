"""The qualitative panels of a study: its files, its samples, and where pictures may not go."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from experiments.datasets.sample import Sample
from experiments.rooms.render import RoomsFolder
from experiments.training.commands import study_commands
from experiments.training.joint import checkpoint_path
from experiments.training.panels import write_panels
from experiments.training.recipe import Recipe
from experiments.training.study import Study
from influence.display.plots.maps import draw_maps
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.results.run_directory import read_run
from influence.results.sample_maps import SampleMaps
from influence.results.selection import extreme_samples
from tests.toy import toy, write_toy_file


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of the toy network: nothing is trained."""
    root = tmp_path_factory.mktemp("panels")
    study = Study(
        name="toy",
        open_split=partial(RoomsFolder, root),
        work=root / "work",
        results=root / "results",
        measured=root / "measured",
        reports=root / "reports" / "toy",
        single_task=Recipe(epochs=1),
        joint=Recipe(epochs=1),
    )
    rgb = np.random.default_rng(0).integers(0, 256, (13, 5, 6, 3)).astype(np.uint8)
    study.work.mkdir()
    test_set = write_toy_file(study.work / "panels.h5", images=rgb)
    path = checkpoint_path(study, "cat1")
    path.parent.mkdir(parents=True)
    export_checkpoint(toy(), path, {"depth": torch.ones(2, 1, 5, 6),
                                    "semantic": torch.full((2, 3, 5, 6), 1 / 3)})  # fmt: skip
    metrics = {"semantic": ["pixel_accuracy"], "depth": ["rms"]}
    run = measure(load_checkpoint(path), test_set, metrics=metrics, mutes=["shuffle"], draws=10,
                  device="cpu")  # fmt: skip
    run.write(study.measured)
    return study


def test_one_figure_a_direction_in_every_format(
    measured: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[SampleMaps, list[str]]] = []

    def watched(maps: SampleMaps, *, names: list[str]) -> Any:
        drawn.append((maps, names))
        return draw_maps(maps, names=names)

    monkeypatch.setattr("experiments.training.panels.draw_maps", watched)
    test_set = measured.work / "panels.h5"
    paths = list(write_panels(measured, test_set, tmp_path, variant="cat1", top=1))
    stems = ("panels_depth_to_semantic", "panels_semantic_to_depth")
    assert [path.name for path in paths] == [f"{stem}.png" for stem in stems]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    samples = read_run(measured.measured).samples
    for maps, names in drawn:
        chosen = extreme_samples(samples, source=[maps.source], target=[maps.target], top=1)
        assert maps.ids == tuple(chosen["id"])
        assert names == [
            f"{i}\n{side} 1" for i, side in zip(chosen["id"], chosen["side"], strict=True)
        ]
        assert maps.pictured == "picture"
        assert maps.given is not None


class Images:
    """Test images in another order than in the evaluation file, twice as large."""

    ids = tuple(str(i) for i in reversed(range(13)))

    def __len__(self) -> int:
        return 13

    def __getitem__(self, index: int) -> Sample:
        rgb = np.full((10, 12, 3), int(self.ids[index]), np.uint8)
        return Sample(self.ids[index], rgb, np.ones((10, 12), np.float32), rgb[..., 0])


def test_pictures_that_the_file_does_not_hold_are_read(
    measured: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_set = write_toy_file(tmp_path / "toy.h5")
    run = measure(load_checkpoint(checkpoint_path(measured, "cat1")), test_set, draws=10,
                  metrics={"semantic": ["pixel_accuracy"], "depth": ["rms"]}, mutes=["shuffle"],
                  device="cpu")  # fmt: skip
    run.write(tmp_path / "run")
    study = replace(measured, measured=tmp_path / "run", open_split=lambda _: Images(),
                    height=5, width=6)  # fmt: skip
    drawn: list[SampleMaps] = []

    def watched(maps: SampleMaps, *, names: list[str]) -> Any:
        drawn.append(maps)
        return draw_maps(maps, names=names)

    monkeypatch.setattr("experiments.training.panels.draw_maps", watched)
    list(write_panels(study, test_set, tmp_path, variant="cat1", top=1))
    assert len(drawn) == 2
    for maps in drawn:
        assert maps.pictured == "picture"
        assert maps.pictures is not None
        assert maps.pictures.shape == (2, 5, 6, 3)
        assert maps.pictures[:, 0, 0, 0].tolist() == [int(name) for name in maps.ids]


def call(study: Study, *arguments: str, compact: bool) -> Any:
    def open_study(**_: Any) -> Study:
        return study

    steps = study_commands(open_study, test_set=Path("panels.h5"), compact=compact)
    return CliRunner().invoke(steps, ["panels", "--variant", "cat1", "--top", "1", *arguments])


def test_pictures_that_may_not_be_published_go_into_the_work_folder(measured: Study) -> None:
    result = call(measured, compact=False)
    assert result.exit_code == 0, result.output
    assert len(list((measured.work / "panels").iterdir())) == 2
    for folder in (measured.reports, measured.reports.parent / "other"):
        result = call(measured, "--out", str(folder), compact=False)
        assert isinstance(result.exception, InfluenceError)
        assert "these pictures may not be published" in str(result.exception)
    assert not list(measured.reports.parent.rglob("panels*"))


def test_those_of_published_data_go_into_the_report(measured: Study) -> None:
    result = call(measured, compact=True)
    assert result.exit_code == 0, result.output
    assert len(list(measured.reports.glob("panels_*"))) == 2
