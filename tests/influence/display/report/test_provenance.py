"""Origins: what runs say about themselves, and the fingerprints of their files."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from influence.display.report.provenance import read_origins
from influence.errors import InfluenceError
from tests.influence.display.report.runs import NASTY, page_run


def test_leaves_have_the_names_of_what_holds_them(tmp_path: Path) -> None:
    (origin,) = read_origins([page_run(tmp_path / "run", NASTY)])
    assert origin.name == "run"
    assert origin.facts["versions"] == [("torch", "2.13.0")]
    assert origin.facts["seconds"] == [("evaluate", "1.5")]
    assert ("networks, =1+1, sha256", "ab12") in origin.facts["measured"]


def test_fingerprints_are_those_of_the_files(tmp_path: Path) -> None:
    run = page_run(tmp_path / "run")
    (origin,) = read_origins([run])
    assert dict(origin.files) == {
        name: sha256((run / name).read_bytes()).hexdigest()
        for name in ("influence.csv", "performance.csv", "interactions.csv", "distance.csv",
                     "run.json", "gallery/gallery.csv")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "readable run.json"),
        ("[" * 100_000, "readable run.json"),
        ("[]", "input should be a valid dictionary"),
    ],
)
def test_a_broken_file_is_a_clear_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InfluenceError, match=message):
        read_origins([tmp_path])


def test_a_gallery_that_is_left_out_may_be_broken(tmp_path: Path) -> None:
    run = page_run(tmp_path, gallery=False)
    (run / "gallery" / "gallery.csv").mkdir(parents=True)
    assert "gallery/gallery.csv" not in dict(read_origins([run])[0].files)
