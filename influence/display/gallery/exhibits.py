"""Exhibits: the samples of one direction with their maps, which a gallery is arranged from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from influence.display.colours import HELPED, HURT, NEITHER, NO_TRUTH, class_colours, gain_limit
from influence.display.gallery.folder import GALLERY_COLUMNS, Gallery
from influence.display.gallery.images import (
    GAIN_COLOURS,
    VALUE_COLOURS,
    gains_png,
    labels_png,
    picture_png,
    values_png,
)
from influence.results.sample_maps import SampleMaps

__all__ = ["Exhibit", "arrange"]


@dataclass(frozen=True)
class Exhibit:
    """One network, source, target, mute and metric.

    Parameters
    ----------
    extremes
        Rows of `influence.results.selection.extreme_samples`.
    maps
        The maps of these samples, in the same order, with rows and columns of pixels.
    """

    extremes: pd.DataFrame
    maps: SampleMaps


@dataclass(frozen=True)
class _Scale:
    """What the colours of one target mean, in all images of a gallery."""

    gain_limit: float
    ranges: Mapping[str, tuple[float, float]]
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    unit: str
    of_labels: bool

    @property
    def count(self) -> int:
        return max([len(self.classes), *(label + 1 for label in self.labels)])


def arrange(exhibits: Sequence[Exhibit]) -> Gallery:
    """Draw the images of a gallery; those that are the same are kept once.

    Examples
    --------
    >>> truth = np.array([[[0, 1]]])
    >>> maps = SampleMaps("net", "depth", "semantic", "zero", ("7",), truth, truth, 1 - truth)
    >>> row = dict.fromkeys(GALLERY_COLUMNS[:13], "") | {"id": "7", "omega": 1.0, "side": "helped"}
    >>> found = arrange([Exhibit(pd.DataFrame([row]), maps)])
    >>> found.rows[["id", "truth", "prediction", "prediction_muted", "gain"]].values.tolist()
    [['7', '0001.png', '0001.png', '0002.png', '0003.png']]
    >>> [entry["colour"] for entry in found.legend["targets"]["semantic"]["classes"]]
    ['#ddcc77', '#88ccee']
    """
    scales = {
        target: _scale([exhibit.maps for exhibit in exhibits if exhibit.maps.target == target])
        for target in dict.fromkeys(exhibit.maps.target for exhibit in exhibits)
    }
    numbered: dict[bytes, str] = {}
    rows = []
    for exhibit in exhibits:
        drawn = _drawn(exhibit.maps, scales[exhibit.maps.target])
        for row, facts in zip(exhibit.extremes.to_dict("records"), drawn, strict=True):
            named = {
                column: numbered.setdefault(fact, f"{len(numbered) + 1:04d}.png")
                if isinstance(fact, bytes)
                else fact
                for column, fact in facts.items()
            }
            rows.append({column: (row | named)[column] for column in GALLERY_COLUMNS})
    frame = pd.DataFrame(rows, columns=list(GALLERY_COLUMNS))
    frame["seed"] = pd.to_numeric(frame["seed"]).astype("Int64")
    images = {name: image for image, name in numbered.items()}
    return Gallery(frame, _legend(exhibits, scales), images)


def _scale(maps: Sequence[SampleMaps]) -> _Scale:
    of_labels = maps[0].of_labels
    layers = [layer for some in maps for layer in (some.truth, some.full, some.muted)]
    found = set().union(*(np.unique(layer).tolist() for layer in layers)) if of_labels else set()
    return _Scale(
        gain_limit(maps),
        {} if of_labels else _ranges(maps),
        next((some.classes for some in maps if some.classes), ()),
        tuple(sorted(int(label) for label in found if label >= 0)),
        maps[0].unit,
        of_labels,
    )


def _ranges(maps: Sequence[SampleMaps]) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest value of each sample, true or predicted by any network."""
    found: dict[str, list[float]] = {}
    for some in maps:
        for place, name in enumerate(some.ids):
            for layer in (some.truth, some.full, some.muted):
                known = layer[place][np.isfinite(layer[place])]
                found.setdefault(name, []).extend([known.min(), known.max()] if known.size else [])
    return {name: (float(min(ends)), float(max(ends))) for name, ends in found.items()}


def _drawn(maps: SampleMaps, scale: _Scale) -> Iterator[dict[str, Any]]:
    """Yield what a row of the table says of each sample; images as their bytes."""
    for place in range(len(maps.ids)):
        layers = {
            "truth": maps.truth[place],
            "prediction": maps.full[place],
            "prediction_muted": maps.muted[place],
        }
        facts: dict[str, Any] = {"picture": "", "pictured": "", "low": np.nan, "high": np.nan}
        if maps.pictures is not None:
            facts |= {"picture": picture_png(maps.pictures[place]), "pictured": maps.pictured}
        if scale.of_labels:
            facts |= {name: labels_png(layer, scale.count) for name, layer in layers.items()}
        else:
            low, high = scale.ranges[maps.ids[place]]
            facts |= {name: values_png(layer, low, high) for name, layer in layers.items()}
            facts |= {"low": low, "high": high}
        yield facts | {"gain": gains_png(maps.gain[place], scale.gain_limit)}


def _legend(exhibits: Sequence[Exhibit], scales: Mapping[str, _Scale]) -> dict[str, Any]:
    checkpoints = {
        (e.maps.network, e.maps.facts.get("checkpoint_sha256", "")): e.extremes["seed"].iloc[0]
        for e in exhibits
    }
    return {
        "format": "influence-gallery",
        "version": 1,
        "data_sha256": exhibits[0].maps.facts.get("data_sha256", "") if exhibits else "",
        "checkpoints": [
            {"network": name, "seed": _whole(seed), "sha256": sha256}
            for (name, sha256), seed in checkpoints.items()
        ],
        "targets": {target: _meaning(scale) for target, scale in scales.items()},
        "gain": {
            "colours": list(GAIN_COLOURS), "hurt": HURT, "neither": NEITHER, "helped": HELPED,
        },
        "no_truth": NO_TRUTH,
    }  # fmt: skip


def _whole(seed: Any) -> int | None:
    return None if pd.isna(seed) or seed == "" else int(seed)


def _meaning(scale: _Scale) -> dict[str, Any]:
    meaning: dict[str, Any] = {"kind": "labels" if scale.of_labels else "values"}
    meaning |= {"unit": scale.unit, "gain_limit": scale.gain_limit}
    if not scale.of_labels:
        return meaning | {"colours": list(VALUE_COLOURS)}
    names = dict(enumerate(scale.classes))
    colours = class_colours(scale.count)
    return meaning | {
        "classes": [
            {"label": label, "name": names.get(label, str(label)), "colour": colours[label]}
            for label in scale.labels
        ]
    }
