"""Rays and light of one box, whose depth and radiance are known."""

from __future__ import annotations

from experiments.rooms.layout import OBJECT, Part
from experiments.rooms.materials import Material
from experiments.rooms.scene import Camera
from experiments.rooms.tracing import cast, load_scene, trace

GREY = Material("plain", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
WALL = Part("box", (0, 3, 0), (9, 1, 9), OBJECT, GREY)
HERE = Camera((0.0, 0.0, 0.0))


def test_a_shape_is_named_by_the_index_of_its_part() -> None:
    scene = load_scene((Part("box", (0, 0, 0), (1, 1, 1), OBJECT, GREY),))
    assert [shape.id() for shape in scene.shapes()] == ["00000"]


def test_a_box_in_front_has_its_distance_everywhere() -> None:
    hits = cast(load_scene((WALL,)), HERE, (6, 8), (0.5, 0.5))
    assert hits.depth.min() == hits.depth.max() == 2.5
    assert hits.part.max() == 0


def test_a_lamp_shines_with_its_colour_times_its_light() -> None:
    lamp = Part("box", WALL.centre, WALL.size, OBJECT, GREY, light=2.0)
    assert trace(load_scene((lamp,)), HERE, (6, 8), seed=0).round(3).max() == 1.0
