"""Cards: the rows of a gallery, in the order of omega, each image once."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pandas as pd
import pytest

from influence.display.report.cards import read_cards
from influence.errors import InfluenceError
from tests.influence.display.report.runs import page_run, pixel


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


@pytest.mark.parametrize(("pictured", "refused"), [("17ab", False), ("", False), ("ef01", True)])
def test_pictures_of_another_checkpoint_are_refused(
    tmp_path: Path, pictured: str, refused: bool
) -> None:
    run = page_run(tmp_path / "run")
    table = pd.read_csv(run / "influence.csv").assign(checkpoint_sha256="17ab")
    table.to_csv(run / "influence.csv", index=False)
    path = run / "gallery" / "legend.json"
    entries = [{"network": "jrn-cat1", "sha256": pictured}, {"network": "of old", "sha256": "ff"}]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"checkpoints": entries}))
    if refused:
        with pytest.raises(InfluenceError, match=r"'jrn-cat1' as it was measured.*\(ef01\)"):
            read_cards([run])
    else:
        assert len(read_cards([run]).cards) == 3
