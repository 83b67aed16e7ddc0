"""What a user may give as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from influence.batch_stream import BatchStream
from influence.data_sources import open_data
from influence.errors import InfluenceError
from influence.evaluation_file import EvaluationFile
from influence.evaluation_set import MemorySet
from tests.toy import batches


@pytest.mark.parametrize("stream", [False, True])
def test_files_and_sets_have_random_access(toy_file: Path, stream: bool) -> None:
    opened = open_data(toy_file, stream=stream)
    assert isinstance(opened, EvaluationFile)
    assert open_data(opened, stream=stream) is opened


def test_batches_are_collected_or_left_to_be_read_once() -> None:
    collected, stream = open_data(batches()), open_data(batches(), stream=True)
    assert isinstance(collected, MemorySet)
    assert isinstance(stream, BatchStream)
    assert len(collected) == sum(len(batch) for batch in stream) == 13


def test_data_of_no_known_form_is_refused() -> None:
    with pytest.raises(InfluenceError, match=r"path of an evaluation file or an iterable .* int"):
        open_data(5)  # type: ignore[call-overload]
