"""Every builder draws the item that it is named after, in the item's own frame."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from experiments.rooms import fixtures, furniture
from experiments.rooms.clutter import book_row, draw_plant, scatter
from experiments.rooms.layout import OBJECT, Item, Surface

BUILDERS: dict[str, Callable[[np.random.Generator], Item]] = {
    "bed": furniture.draw_bed,
    "bookshelf": furniture.draw_bookshelf,
    "cabinet": furniture.draw_cabinet,
    "coffee table": furniture.draw_coffee_table,
    "desk": furniture.draw_desk,
    "dining table": furniture.draw_dining_table,
    "kitchen": furniture.draw_kitchen,
    "nightstand": furniture.draw_nightstand,
    "sofa": furniture.draw_sofa,
    "ceiling lamp": partial(fixtures.draw_ceiling_lamp, height=2.5, light=8.0),
    "chair": fixtures.draw_chair,
    "door": fixtures.draw_door,
    "floor lamp": partial(fixtures.draw_floor_lamp, light=8.0),
    "picture": fixtures.draw_picture,
    "pillar": partial(fixtures.draw_pillar, height=2.5),
    "rug": fixtures.draw_rug,
    "window": partial(fixtures.draw_window, height=2.5, light=8.0),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_builder_draws_its_item_the_same_from_the_same_seed(name: str) -> None:
    item = BUILDERS[name](np.random.default_rng(0))
    assert item.name == name
    assert item.parts
    assert item.extent[0, 1] > -0.2  # nothing stands far behind the back
    assert item == BUILDERS[name](np.random.default_rng(0))


def test_a_loose_thing_stands_in_front_of_its_back() -> None:
    assert fixtures.draw_loose_thing(np.random.default_rng(0)).extent[0, 1] >= 0


def test_small_things_stand_above_their_surface_and_books_in_a_row() -> None:
    parts = scatter(np.random.default_rng(0), Surface(0, 1, 0, 1, 0.7), 3)
    assert all(part.label == OBJECT and part.centre[2] > 0.7 for part in parts)
    shelf = Surface(0, 0.6, 0, 0.3, 1, room=0.3)
    assert len(book_row(np.random.default_rng(0), shelf)) > 3
    assert draw_plant(np.random.default_rng(0))[0].kind == "cylinder"
