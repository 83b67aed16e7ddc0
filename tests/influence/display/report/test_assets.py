"""Assets: the plotting library is the one that its record names."""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

ASSETS = files("influence.display.report") / "assets"


def test_the_record_names_this_library() -> None:
    library = (ASSETS / "vega.min.js").read_bytes()
    record = (ASSETS / "vega.md").read_text(encoding="utf-8")
    assert sha256(library).hexdigest() in record
    assert f"{len(library):,}" in record
    carried = len(b64encode(gzip.compress(library, 9)))
    (line,) = [line for line in record.splitlines() if line.startswith("| **vega.min.js**")]
    written = int(line.split("|")[3].replace(",", ""))
    assert abs(carried - written) < 0.01 * written  # zlib differs between machines


def test_licences_are_beside_it() -> None:
    licences = (ASSETS / "vega.LICENSE.txt").read_text(encoding="utf-8")
    for words in ("University of Washington", "Mike Bostock", "vega-lite 6.4.3"):
        assert words in licences


def test_own_scripts_set_texts_as_text() -> None:
    own = [path for path in ASSETS.iterdir() if path.name.endswith(".js")]
    texts = {p.name: p.read_text(encoding="utf-8") for p in own if p.name != "vega.min.js"}
    assert len(texts) == 6
    for name, text in texts.items():
        assert not re.search(r"(inner|outer)HTML|AdjacentHTML|document\.write|eval\(", text), name
        assert not re.search(r"fetch\(|XMLHttpRequest|import\(|</script", text), name
