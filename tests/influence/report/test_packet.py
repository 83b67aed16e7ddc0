"""Packets: small, the same each time, and with no letter that ends an element."""

from __future__ import annotations

import gzip
import re
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence.report.packet import pack_json, pack_text


@given(st.text())
def test_a_packet_gives_back_its_text(text: str) -> None:
    packed = pack_text(text)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed)
    assert gzip.decompress(b64decode(packed)).decode() == text


def test_a_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack_json([float("nan")])
