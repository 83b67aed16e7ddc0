"""Packets: what a page carries in itself, compressed, and the hashes that let it run its scripts.

A packet is gzip in base64, inside a script element that no browser runs. The page unpacks it by
`DecompressionStream` when it is needed. Base64 has no letter that could end the element.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

__all__ = ["content_hash", "pack_json", "pack_text"]


def pack_text(text: str) -> str:
    """Compress a text; the same text gives the same packet.

    >>> pack_text("omega" * 1000) == pack_text("omega" * 1000), len(pack_text("omega" * 1000)) < 100
    (True, True)
    """
    return b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode("ascii")


def pack_json(content: Any) -> str:
    """Compress what JSON can say.

    Raises
    ------
    ValueError
        If there is a NaN, which JSON cannot say.

    Examples
    --------
    >>> from base64 import b64decode
    >>> gzip.decompress(b64decode(pack_json({"a": "</script>"})))
    b'{"a":"</script>"}'
    """
    return pack_text(json.dumps(content, separators=(",", ":"), allow_nan=False))


def content_hash(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline script or style (CSP 3, 2.3.1).

    >>> content_hash("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
