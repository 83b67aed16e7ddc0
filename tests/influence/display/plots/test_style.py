"""Files of figures: the same bytes twice, and only formats that we know."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from influence.display.plots.style import FORMATS, inks, modality_inks, save_figure, styled
from influence.errors import InfluenceError


def _figure() -> Figure:
    with styled():
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1], [0, 1], label="a line")
    return figure


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}.{suffix}" for name in ("one", "two")]
    for path in paths:
        save_figure(_figure(), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"Date" not in paths[0].read_bytes()


def test_an_unknown_suffix_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match=r"ends in \.png, \.pdf, \.svg, got .*figure\.gif"):
        save_figure(_figure(), tmp_path / "figure.gif")
    assert not list(tmp_path.iterdir())


def test_groups_differ_in_colour_and_in_marker() -> None:
    found = inks(["a", "b", "a", "c"])
    assert list(found) == ["a", "b", "c"]
    assert len({ink.colour for ink in found.values()}) == 3
    assert len({ink.marker for ink in found.values()}) == 3


def test_modalities_have_colours_that_no_group_has_and_the_usual_ones_keep_theirs() -> None:
    known = modality_inks(["rgb", "semantic", "depth"])
    more = modality_inks(["sound", "depth", "rgb", "thermal", "semantic"])
    assert {name: more[name] for name in known} == known
    colours = {ink.colour for ink in more.values()}
    assert len(colours) == len(more)
    assert colours.isdisjoint(ink.colour for ink in inks(map(str, range(10))).values())
