"""The figure of sample maps: its images are the maps, and its signs are explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from influence.display.images import GAIN, HELPED, HURT, NEITHER, NO_TRUTH, class_colours
from influence.display.plots.maps import draw_maps
from influence.display.plots.style import save_figure
from influence.errors import InfluenceError
from influence.results.sample_maps import SampleMaps


def label_maps(**options: Any) -> SampleMaps:
    truth, full, muted = np.random.default_rng(0).integers(0, 3, (3, 2, 6, 8))
    truth[:, 0, :2] = -1
    known: dict[str, Any] = {"classes": ("floor", "wall", "thing")}
    return SampleMaps("net", "depth", "semantic", "mean", ("0001", "0002"), truth, full, muted,
                      **(known | options))  # fmt: skip


def value_maps(**options: Any) -> SampleMaps:
    truth, full, muted = np.random.default_rng(0).uniform(1, 4, (3, 2, 6, 8))
    return SampleMaps("net", "semantic", "depth", "zero", ("0001", "0002"), truth, full, muted,
                      **({"unit": "m"} | options))  # fmt: skip


def images(figure: Any, columns: int) -> list[list[Any]]:
    grid = [axes for axes in figure.axes if axes.images]
    return [[a.images[0] for a in grid[i : i + columns]] for i in range(0, len(grid), columns)]


@pytest.mark.parametrize("maps", [label_maps(), value_maps()], ids=["labels", "values"])
def test_a_row_shows_truth_predictions_and_gain(maps: SampleMaps) -> None:
    rows = images(draw_maps(maps), 4)
    assert len(rows) == 2
    for i, row in enumerate(rows):
        layers = (maps.truth, maps.full, maps.muted, maps.gain)
        for image, layer in zip(row, layers, strict=True):
            shown = image.get_array()
            known = ~np.ma.getmaskarray(shown)
            np.testing.assert_array_equal(np.asarray(shown)[known], layer[i][known])
            absent = maps.truth[i] < 0 if image in (row[0], row[3]) else np.zeros((6, 8), bool)
            np.testing.assert_array_equal(~known, absent)


@pytest.mark.parametrize("maps", [label_maps(), value_maps()], ids=["labels", "values"])
def test_helped_is_blue_and_hurt_is_vermilion_and_nothing_is_between(maps: SampleMaps) -> None:
    gain = images(draw_maps(maps), 4)[0][3]
    assert gain.norm.vmin == -gain.norm.vmax
    ends = [to_hex(gain.cmap(gain.norm(x))) for x in (gain.norm.vmin, gain.norm.vmax)]
    assert ends == [HURT, HELPED]
    assert to_hex(gain.cmap.get_bad()) == NO_TRUTH
    assert to_hex(GAIN(0.5)) == NEITHER


def test_the_legend_names_classes_that_occur_and_the_signs() -> None:
    (legend,) = draw_maps(label_maps()).legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "floor", "wall", "thing", "helped", "hurt", "no difference", "no truth"
    ]  # fmt: skip
    maps = label_maps(classes=())
    two = maps.truth.clip(0, 1)
    without = SampleMaps("net", "x", "y", "zero", maps.ids, two, two, two)
    (legend,) = draw_maps(without).legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "0", "1", "helped", "hurt", "no difference"
    ]  # fmt: skip


def test_a_class_has_one_colour_in_all_panels() -> None:
    maps = label_maps()
    for row in images(draw_maps(maps), 4):
        colours = {tuple(image.cmap(image.norm(label))) for image in row[:3] for label in (0, 1, 2)}
        assert len(colours) == 3


def test_values_have_two_bars_and_one_scale() -> None:
    maps = value_maps()
    figure = draw_maps(maps)
    bars = figure.axes[-2:]
    assert [bar.get_xlabel() for bar in bars] == ["depth, m", "hurt | helped, m"]
    scales = {(i.norm.vmin, i.norm.vmax) for row in images(figure, 4) for i in row[:3]}
    (scale,) = scales
    layers = np.stack([maps.truth, maps.full, maps.muted])
    assert scale == (layers.min(), layers.max())
    assert not figure.legends
    truth = maps.truth.copy()
    truth[0, 0, 0] = np.nan
    (legend,) = draw_maps(SampleMaps("n", "x", "y", "m", maps.ids, truth, maps.full,
                                     maps.muted)).legends  # fmt: skip
    assert [text.get_text() for text in legend.get_texts()] == ["no truth"]


def test_a_map_without_any_difference_can_be_drawn() -> None:
    one = np.ones((1, 2, 3))
    (row,) = images(draw_maps(SampleMaps("net", "x", "y", "zero", ("a",), one, one, one)), 4)
    assert row[3].norm.vmax == 1.0


def test_captions_say_what_each_sample_gains() -> None:
    maps = label_maps()
    lasts = [axes for axes in draw_maps(maps).axes if axes.get_xlabel()]
    shown = [f"{100 * w:+.2f}% of pixels".replace("-", "−") for w in maps.omega]
    assert [axes.get_xlabel() for axes in lasts] == shown


def test_pictures_come_first_and_long_names_do_not_break_it(tmp_path: Path) -> None:
    pictures = np.zeros((2, 12, 16, 3), np.uint8)
    name = "a $name$ that is_long" * 3
    maps = label_maps(pictures=pictures, pictured="picture")
    maps = SampleMaps(name, maps.source, maps.target, maps.mute, (name, "b"), maps.truth,
                      maps.full, maps.muted, pictures=pictures, pictured="picture")  # fmt: skip
    figure = draw_maps(maps)
    assert figure.axes[0].get_title() == "picture"
    np.testing.assert_array_equal(images(figure, 5)[0][0].get_array(), pictures[0])
    save_figure(figure, tmp_path / "a.png")


@pytest.mark.parametrize("kind", [int, float])
def test_inputs_as_pictures_have_the_same_colours_in_all_rows(kind: type) -> None:
    pictures = np.arange(96).reshape(2, 6, 8) % 5 * np.array([1, 2]).reshape(2, 1, 1)
    rows = images(draw_maps(value_maps(pictures=pictures.astype(kind), pictured="x")), 5)
    one, other = (row[0].cmap(row[0].norm(2)) for row in rows)
    assert one == other
    if kind is int:
        assert to_hex(one) == class_colours(9)[2]


def test_many_classes_can_be_told(tmp_path: Path) -> None:
    labels = np.arange(40).reshape(1, 5, 8)
    figure = draw_maps(SampleMaps("net", "x", "y", "zero", ("a",), labels, labels, labels * 0))
    row = images(figure, 4)[0]
    assert len({tuple(row[0].cmap(row[0].norm(label))) for label in range(40)}) == 40
    save_figure(figure, tmp_path / "a.png")


def test_the_same_maps_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "other.png"):
        save_figure(draw_maps(value_maps()), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_what_has_no_pixels_is_refused() -> None:
    line = np.ones((1, 5))
    with pytest.raises(InfluenceError, match=r"rows and columns of pixels to draw, .* \(5,\)"):
        draw_maps(SampleMaps("net", "x", "y", "zero", ("a",), line, line, line))


def test_the_input_stands_beside_the_truth_and_shares_its_colours() -> None:
    given = np.random.default_rng(1).uniform(0.5, 5, (2, 6, 8))
    maps = value_maps(given=given)
    rows = images(draw_maps(maps, names=["one", "other"]), 5)
    np.testing.assert_array_equal(rows[1][1].get_array(), given[1])
    (scale,) = {(i.norm.vmin, i.norm.vmax) for row in rows for i in row[:4]}
    layers = np.stack([maps.truth, given, maps.full, maps.muted])
    assert scale == (layers.min(), layers.max())
    labels = np.full((2, 6, 8), 2)
    figure = draw_maps(label_maps(given=labels), names=["one", "other"])
    np.testing.assert_array_equal(images(figure, 5)[0][1].get_array(), labels[0])
    assert [axes.get_title() for axes in figure.axes[:3]][1] == "input"
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["one", "other"]


def picture_maps(**options: Any) -> SampleMaps:
    truth, full, muted = np.random.default_rng(0).uniform(0, 255, (3, 2, 3, 6, 8))
    truth[:, 1, 0, :2] = np.nan
    return SampleMaps("net", "rgb", "out", "zero", ("0001", "0002"), truth, full, muted,
                      **({"range": (0.0, 255.0)} | options))  # fmt: skip


def test_pictures_are_shown_in_their_colours() -> None:
    maps = picture_maps()
    figure = draw_maps(maps)
    for i, row in enumerate(images(figure, 4)[:2]):
        for image, layer in zip(row, (maps.truth, maps.full, maps.muted), strict=False):
            shown, expected = np.asarray(image.get_array()), np.moveaxis(layer[i], 0, -1)
            known = np.isfinite(expected).all(-1)
            np.testing.assert_array_equal(shown[known], np.rint(expected[known]))
            assert {to_hex(colour / 255) for colour in shown[~known]} <= {NO_TRUTH}
        np.testing.assert_array_equal(np.asarray(row[3].get_array()), maps.gain[i].mean(0))
    assert [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()][-1] == "hurt | helped"


def test_one_channel_is_drawn_as_a_map_without() -> None:
    maps = value_maps()
    layers = {name: getattr(maps, name)[:, None] for name in ("truth", "full", "muted")}
    row = images(draw_maps(replace(maps, **layers)), 4)[0]
    np.testing.assert_array_equal(np.asarray(row[0].get_array()), maps.truth[0])
