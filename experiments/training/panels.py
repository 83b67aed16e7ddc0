"""The qualitative panels of a study: Figs. 5 and 6 of arXiv 1702.08009, and where omega is from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.datasets.sample import resize
from experiments.training.joint import checkpoint_path
from experiments.training.study import Study
from influence.data.source import open_data
from influence.display.plots.maps import draw_maps
from influence.display.plots.style import save_figure
from influence.errors import InfluenceError
from influence.network.checkpoints import load_checkpoint
from influence.results.run_directory import read_run
from influence.results.selection import extreme_samples
from influence.samples.maps import Effect
from influence.samples.rerun import open_rerun

__all__ = ["write_panels"]

DIRECTIONS = {("depth", "semantic"): "pixel_accuracy", ("semantic", "depth"): "rms"}
"""Source and target -> what samples are chosen by: the metric that is nearest to the map's mean."""

MUTE = "shuffle"


def write_panels(
    study: Study, test_set: Path, folder: Path, *, variant: str = "sum60", top: int = 2
) -> Iterator[Path]:
    """Draw the samples that each modality helped and hurt most in the other; yield the files.

    Parameters
    ----------
    study
        Its checkpoint is run again, on samples that its run in `Study.measured` names. Pictures
        that the evaluation file does not hold are those of its images.
    test_set
        The evaluation file.
    folder
        Where the figures go.
    variant
        The joint network; by default the one of the paper's that sums.
    top
        Samples a side.

    Raises
    ------
    InfluenceError
        If the run is of another checkpoint or of other data, has no samples, no sample was helped
        or hurt, or pictures are missing.
    """
    network = load_checkpoint(checkpoint_path(study, variant))
    rerun = open_rerun(study.measured, read_run(study.measured), network, open_data(test_set))
    for (source, target), metric in DIRECTIONS.items():
        chosen = extreme_samples(
            rerun.samples, source=[source], target=[target], mute=[MUTE], metric=[metric], top=top
        )
        if chosen.empty:
            raise InfluenceError(
                f"{study.measured}: {source} helps and hurts no sample of {target} in "
                f"jrn-{variant}. Choose another variant"
            )
        maps = rerun.maps(chosen["id"].tolist(), Effect(source, target, MUTE))
        if maps.pictured != "picture":
            maps = replace(maps, pictures=_pictures(study, maps.ids), pictured="picture")
        rows = zip(chosen["id"], chosen["side"], chosen["rank"], strict=True)
        figure = draw_maps(maps, names=[f"{name}\n{side} {rank}" for name, side, rank in rows])
        path = folder / f"panels_{source}_to_{target}.png"
        save_figure(figure, path)
        yield path


def _pictures(study: Study, ids: Sequence[str]) -> NDArray[np.uint8]:
    """Read the pictures of test images, (n, H, W, 3)."""
    images = study.open_split("test")
    found = (images[images.ids.index(name)] for name in ids)
    return np.stack([resize(image, study.height, study.width).rgb for image in found])
