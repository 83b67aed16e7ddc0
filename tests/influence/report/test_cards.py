"""Cards: the rows of a gallery, in the order of omega, each image once."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

from influence.report.cards import read_cards
from tests.influence.report.runs import page_run, pixel


def test_cards_of_a_gallery(tmp_path: Path) -> None:
    cards = read_cards([page_run(tmp_path / "run")])
    assert [card["omega"] for card in cards.cards] == [0.25, 0.125, -0.5]
    assert cards.cards[0]["id"] == "<b>helped</b> 1"
    (group,) = cards.groups
    assert (group["source"], group["target"], group["metric"]) == ("depth", "semantic", "mean_iou")
    assert group["classes"][0]["name"] == "<i>floor</i>"
    assert {card["group"] for card in cards.cards} == {0}


def test_images_are_there_once_as_they_were(tmp_path: Path) -> None:
    cards = read_cards([page_run(tmp_path / "run")])
    head = "data:image/png;base64,"
    assert [b64decode(image.removeprefix(head)) for image in cards.images] == [
        pixel(50 * place) for place in range(5)
    ]
    assert cards.images[cards.cards[2]["gain"]] == cards.images[4]


def test_groups_of_several_runs_follow_each_other(tmp_path: Path) -> None:
    runs = [
        page_run(tmp_path / "a"),
        page_run(tmp_path / "b", gallery=False),
        page_run(tmp_path / "c"),
    ]
    cards = read_cards(runs)
    assert [card["group"] for card in cards.cards] == [0, 0, 0, 1, 1, 1]
    assert len(cards.groups) == 2
    assert len(cards.images) == 5
