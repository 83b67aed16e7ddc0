from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.rooms.render import RoomsFolder
from influence.errors import InfluenceError


def write_room(root: Path, name: str, label: int) -> np.ndarray:
    random = np.random.default_rng(label)
    rgb = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    depth = np.full((6, 8), 1000 + label, dtype=np.uint16)
    labels = np.full((6, 8), label, dtype=np.uint8)
    for part, picture in (("rgb", rgb), ("depth", depth), ("labels", labels)):
        (root / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(root / part / f"{name}.png")
    return rgb


def test_a_folder_gives_its_scenes_in_order(tmp_path: Path) -> None:
    second = write_room(tmp_path / "train", "0002", 255)
    write_room(tmp_path / "train", "0001", 4)
    rooms = RoomsFolder(tmp_path, "train")
    assert rooms.ids == ("0001", "0002")
    assert len(rooms) == 2
    sample = rooms[1]
    np.testing.assert_array_equal(sample.rgb, second)
    np.testing.assert_allclose(sample.depth, 1.255, rtol=1e-6)
    assert (sample.labels == 255).all()


def test_an_empty_folder_and_a_foreign_label_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="render"):
        RoomsFolder(tmp_path, "test")
    write_room(tmp_path / "test", "0001", 7)
    with pytest.raises(InfluenceError, match="holds label 7"):
        RoomsFolder(tmp_path, "test")[0]
