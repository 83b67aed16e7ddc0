"""Runs for the tests of the page: ordinary ones, and one of strange names."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pandas as pd

from influence.display.gallery import GALLERY_COLUMNS, IMAGE_COLUMNS, Gallery, write_gallery
from influence.results.tables import DISTANCE_COLUMNS
from tests.tables_of_runs import influence_frame, performance_frame, write_run

NASTY = {
    "jrn-cat1": "<script>alert(1)</script>",
    "jrn-cat10": "</script><!--\u2028\"'&amp;\x1b[31m\u202e",
    "jrn-cat5": "{{ 7 * 7 }} {% raw %} $x",
    "jrn-cat60": "netz-ü, Ω\nzweite Zeile",
    "jrn-sum60": "=1+1",
}
"""Names of networks as nobody should choose them."""


def distance_frame(networks: pd.Series) -> pd.DataFrame:
    """Return `distance.csv`: the mute `zero` is far from the data."""
    rows = [
        (network, 0, "rooms", mute, source, "join", 9.75 if mute == "zero" else 1.5, 0.25, 3.0,
         mute == "zero", 120)
        for network in networks.unique()
        for mute in ("zero", "mean")
        for source in ("depth", "semantic")
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(DISTANCE_COLUMNS))


def by_class(influence: pd.DataFrame) -> pd.DataFrame:
    """Add levels to the rows of mean IoU and of the depth's errors."""
    parts = [influence]
    for metric, level in (("mean_iou", "class:floor"), ("rms", "depth:0-2")):
        parts.append(influence[influence["metric"] == metric].assign(level=level))
    return pd.concat(parts, ignore_index=True)


def page_run(folder: Path, names: dict[str, str] | None = None, *, gallery: bool = True) -> Path:
    """Write a run with everything that a page shows."""
    influence, performance = by_class(influence_frame()), performance_frame()
    if names:
        influence, performance = (
            frame.assign(network=frame["network"].map(names)) for frame in (influence, performance)
        )
    write_run(folder, influence, performance)
    distance_frame(influence["network"]).to_csv(folder / "distance.csv", index=False)
    info = {"measured": {"networks": [{"name": n, "sha256": "ab12"} for n in NASTY.values()]},
            "versions": {"torch": "2.13.0"}, "seconds": {"evaluate": 1.5}}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(info))
    if gallery:
        write_gallery(folder, small_gallery(influence["network"].iloc[0]))
    return folder


def small_gallery(network: str) -> Gallery:
    """Return two samples a side; every image is one coloured pixel."""
    rows = []
    for side, rank, omega in [("helped", 1, 0.25), ("helped", 2, 0.125), ("hurt", 1, -0.5)]:
        row = {"network": network, "seed": 0, "dataset": "rooms", "mute": "zero", "source": "depth",
               "target": "semantic", "metric": "mean_iou", "side": side, "rank": rank,
               "id": f"<b>{side}</b> {rank}", "full": 0.5, "muted": 0.5 - omega, "omega": omega,
               "pictured": "picture", "low": float("nan"), "high": float("nan")}  # fmt: skip
        files = {key: f"{place + 1:04d}.png" for place, key in enumerate(IMAGE_COLUMNS)}
        rows.append(row | files)
    images = {f"{place + 1:04d}.png": pixel(50 * place) for place in range(len(IMAGE_COLUMNS))}
    classes = [{"label": 0, "name": "<i>floor</i>", "colour": "#ddcc77"}]
    legend = {"targets": {"semantic": {"kind": "labels", "unit": "", "classes": classes}}}
    return Gallery(pd.DataFrame(rows)[list(GALLERY_COLUMNS)], legend, images)


def pixel(grey: int) -> bytes:
    """Return a PNG of one grey pixel."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes([0, grey]))),
        (b"IEND", b""),
    ]
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
