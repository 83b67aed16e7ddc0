"""The filter removes grain and keeps edges; pictures, depth and classes match closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from experiments.rooms.__main__ import save_contact_sheet
from experiments.rooms.layout import CEILING, GROUND, OBJECT, VERTICAL, mesh
from experiments.rooms.render import (
    RoomsFolder,
    denoise,
    render_room,
    render_scene,
    render_split,
    room_seed,
)
from experiments.rooms.scene import Camera, Room, draw_room, empty_room
from influence.errors import InfluenceError

SHAPE = (32, 40)


def scene(corner: bool) -> tuple[np.ndarray, np.ndarray]:
    """Normals and points of a flat wall, or of two walls that meet in the middle column."""
    v, u = np.meshgrid(*(np.arange(n, dtype=np.float32) / 20 for n in SHAPE), indexing="ij")
    normals = np.zeros((*SHAPE, 3), np.float32)
    normals[..., 2] = 1
    points = np.stack([u, v, np.zeros_like(u)], axis=-1)
    if corner:
        normals[:, 20:] = (-1, 0, 0)
        points[:, 20:, 2] = u[:, 20:] - 1
        points[:, 20:, 0] = 1
    return normals, points


DARK = np.zeros(SHAPE, bool)


def test_grain_goes_and_the_mean_stays() -> None:
    rng = np.random.default_rng(0)
    noise = rng.gamma(4, 0.25, (*SHAPE, 1)).astype(np.float32) * np.ones(3, np.float32)
    albedo = np.full((*SHAPE, 3), 0.5, np.float32)
    clean = denoise(noise, albedo, *scene(False), DARK)
    assert clean.std() < noise.std() / 4
    assert clean.mean() == pytest.approx(noise.mean(), rel=0.02)


def test_light_does_not_leak_around_a_corner() -> None:
    light = np.ones((*SHAPE, 3), np.float32)
    light[:, 20:] = 0.1
    albedo = np.full((*SHAPE, 3), 0.5, np.float32)
    np.testing.assert_allclose(denoise(light, albedo, *scene(True), DARK), light, rtol=1e-4)


def test_texture_stays_sharp_under_even_light() -> None:
    albedo = np.random.default_rng(1).uniform(0.1, 0.9, (*SHAPE, 3)).astype(np.float32)
    light = 2 * (albedo + np.float32(0.02))
    np.testing.assert_allclose(denoise(light, albedo, *scene(False), DARK), light, rtol=1e-4)


def test_firefly_is_clamped_but_a_lamp_is_not() -> None:
    light, albedo = np.ones((*SHAPE, 3), np.float32), np.full((*SHAPE, 3), 0.5, np.float32)
    light[10, 10] = 1000
    shining = DARK.copy()
    assert denoise(light, albedo, *scene(False), shining).max() < 2
    shining[10, 10] = True
    clean = denoise(light, albedo, *scene(False), shining)
    assert clean[10, 10, 0] == pytest.approx(1000, rel=1e-3)
    assert np.delete(clean.reshape(-1, 3), 10 * SHAPE[1] + 10, axis=0).max() < 1.01


SMALL = (24, 32)


def view_rays(camera: Camera, size: tuple[int, int]) -> np.ndarray:
    """Rays through the pixel centres, of planar depth 1; the camera is turned by scipy."""
    height, width = size
    focal = width / 2 / np.tan(camera.fov / 2)  # pixels
    v, u = np.mgrid[:height, :width] + 0.5
    rays = np.stack([(u - width / 2) / focal, np.ones(size), (height / 2 - v) / focal], axis=-1)
    turn = Rotation.from_euler("xz", [camera.pitch, camera.yaw])
    return turn.apply(rays.reshape(-1, 3)).reshape(height, width, 3)


def test_back_wall_has_the_known_depth_everywhere() -> None:
    sample = render_room(empty_room(3.0, 5.0, 2.5, Camera((1.5, 0.6, 1.25))), size=SMALL)
    wall = sample.depth[8:16, 12:20]
    np.testing.assert_allclose(wall, 5.0 - 0.6, rtol=1e-6)
    assert (sample.labels[8:16, 12:20] == VERTICAL).all()


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.4, -0.3), (-0.5, 0.2)])
def test_empty_room_matches_its_planes(yaw: float, pitch: float) -> None:
    w, d, h = 3.2, 4.4, 2.6
    camera = Camera((1.1, 0.8, 1.3), yaw, pitch, 1.1)
    sample = render_room(empty_room(w, d, h, camera), size=SMALL)
    rays = view_rays(camera, SMALL)
    with np.errstate(divide="ignore"):
        planes = [(np.where(rays[..., i] > 0, side, 0) - camera.position[i]) / rays[..., i]
                  for i, side in enumerate((w, d, h))]  # fmt: skip
    nearest = np.min(planes, axis=0)
    floor_or_ceiling = np.where(rays[..., 2] > 0, CEILING, GROUND)
    expected = np.where(np.argmin(planes, axis=0) == 2, floor_or_ceiling, VERTICAL)
    bare = sample.labels != OBJECT  # all but the lamp
    np.testing.assert_allclose(sample.depth[bare], nearest[bare], rtol=1e-5)
    assert (sample.labels == expected)[bare].all()


def test_picture_and_labels_show_the_lamp_at_the_same_place() -> None:
    room = empty_room(3.2, 4.4, 2.6, Camera((0.7, 0.8, 1.3), 0.0, 0.35, 1.1))
    sample = render_room(room, size=(48, 64))
    lamp = sample.labels == OBJECT
    assert lamp.sum() > 20
    row, column = (axis.mean() for axis in np.nonzero(sample.rgb.min(axis=2) > 250))
    assert (row, column) == pytest.approx([axis.mean() for axis in np.nonzero(lamp)], abs=1.5)


def first_hit(room: Room, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth and class by brute force over all triangles (Möller and Trumbore 1997)."""
    depth, label = np.full(rays.shape[:2], np.inf), np.full(rays.shape[:2], 255)
    origin = np.asarray(room.camera.position)
    for part in room.parts:
        solid = mesh(part)
        a, b, c = (solid.vertices[solid.faces[:, i]] for i in range(3))
        p = np.cross(rays[..., None, :], c - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 1 / (p * (b - a)).sum(axis=-1)
            u = (p * (origin - a)).sum(axis=-1) * scale
            q = np.cross(origin - a, b - a)
            v = (rays[..., None, :] * q).sum(axis=-1) * scale
            t = (q * (c - a)).sum(axis=-1) * scale
            hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
        nearest = np.where(hit, t, np.inf).min(axis=-1)
        label = np.where(nearest < depth, part.label, label)
        depth = np.minimum(depth, nearest)
    return depth, label


def test_furnished_room_matches_brute_force() -> None:
    room = draw_room(3)
    sample = render_room(room, size=SMALL)
    depth, label = first_hit(room, view_rays(room.camera, SMALL))
    same = np.isclose(sample.depth, depth, rtol=1e-4) & (sample.labels == label)
    assert same.mean() > 0.995, "only rays that graze an edge may differ by rounding"


def test_pixel_is_one_point_and_no_mixture() -> None:
    """A picture three times as fine has the coarse one's pixel centres at every third pixel."""
    room = draw_room(11)
    coarse, fine = (render_room(room, size=(k * 24, k * 32)) for k in (1, 3))
    same = coarse.labels == fine.labels[1::3, 1::3]
    np.testing.assert_allclose(coarse.depth[same], fine.depth[1::3, 1::3][same], rtol=1e-3)
    assert same.mean() > 0.995


@pytest.mark.parametrize("seed", [21, 22, 23])
def test_every_pixel_is_labelled_lit_and_in_range(seed: int) -> None:
    sample = render_scene(seed, size=(48, 64))
    assert sample.labels.dtype == np.uint8
    assert sample.labels.max() <= OBJECT
    assert 0.5 <= sample.depth.min() < sample.depth.max() <= 10
    assert 60 < sample.rgb.mean() < 180
    assert sample.rgb.std() > 15


def read_all(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.png")}


def test_same_seed_same_bytes_whatever_the_processes(tmp_path: Path) -> None:
    render_split(tmp_path / "a", "test", 2, size=SMALL, processes=1)
    render_split(tmp_path / "b", "test", 2, size=SMALL, processes=2)
    render_split(tmp_path / "c", "test", 2, size=SMALL, processes=1, seed=1)
    first, second, other = (read_all(tmp_path / name) for name in "abc")
    assert len(first) == 6
    assert first == second
    assert all(first[name] != other[name] for name in first)


def test_interrupted_split_is_completed_and_kept(tmp_path: Path) -> None:
    render_split(tmp_path, "train", 2, size=SMALL, processes=1)
    whole = read_all(tmp_path)
    (tmp_path / "train/labels/0001.png").unlink()
    (tmp_path / "train/rgb/0000.png").write_bytes(b"kept")
    render_split(tmp_path, "train", 2, size=SMALL, processes=1)
    assert read_all(tmp_path) == {**whole, "train/rgb/0000.png": b"kept"}


def test_folder_is_what_the_reader_reads(tmp_path: Path) -> None:
    render_split(tmp_path, "test", 1, size=SMALL, processes=1)
    read, made = RoomsFolder(tmp_path, "test")[0], render_scene(room_seed("test", 0), size=SMALL)
    np.testing.assert_array_equal(read.rgb, made.rgb)
    np.testing.assert_array_equal(read.labels, made.labels)
    np.testing.assert_allclose(read.depth, made.depth, atol=0.00051)  # stored in millimetres


def test_splits_share_no_room() -> None:
    seeds = [room_seed(split, i) for split in ("train", "test") for i in range(1000)]
    assert len(set(seeds)) == len(seeds)


def test_unknown_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match=r"tran.*train"):
        render_split(tmp_path, "tran", 1)


def test_contact_sheet_holds_three_views_of_each_room(tmp_path: Path) -> None:
    samples = [render_scene(5, size=SMALL)] * 3
    save_contact_sheet(tmp_path / "sheet.png", samples + samples[:1], columns=2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (2 * (3 * 32 + 4), 2 * (24 + 4))
        pixels = np.asarray(sheet)
    np.testing.assert_array_equal(pixels[:24, :32], samples[0].rgb)


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
