"""Files: writing without leaving incomplete files, and hashes of files."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from influence.errors import InfluenceError
from influence.runtime.reading.regular_files import check_regular

__all__ = ["replace_folder_on_success", "replace_on_success", "sha256_of", "write_hdf5"]


@contextmanager
def replace_on_success(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    The temporary path has the same suffix, from which some writers choose the format. On any
    exception, including an interrupt, the temporary file is removed and an existing `path` is kept.

    Raises
    ------
    InfluenceError
        If `path` is a folder or a device, which a rename would replace, or if the operating system
        cannot write to it (no permission, disk full).

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with replace_on_success(target) as aside:
    ...     _ = aside.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise InfluenceError(
            f"could not write {path}: expected the name of a file, got a folder or a device. "
            "Choose another name"
        )
    aside = path.with_name(f".{path.name}.{os.getpid()}.writing{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        os.replace(aside, path)
    except OSError as error:
        raise _write_error(path, error) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


@contextmanager
def replace_folder_on_success(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; rename it to `path` if the block succeeds.

    On any exception, including an interrupt, it is removed and an existing folder is kept.

    Raises
    ------
    InfluenceError
        If the operating system cannot write.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "pages"
    >>> with replace_folder_on_success(target) as aside:
    ...     _ = (aside / "1.txt").write_text("one")
    >>> [page.name for page in target.iterdir()]
    ['1.txt']
    """
    path = Path(path)
    aside, earlier = (
        path.with_name(f".{path.name}.{os.getpid()}.{state}") for state in ("writing", "earlier")
    )
    try:
        aside.mkdir(parents=True)
        yield aside
        if path.exists():
            os.replace(path, earlier)
        os.replace(aside, path)
    except OSError as error:
        raise _write_error(path, error) from error
    finally:
        if earlier.exists() and not path.exists():
            os.replace(earlier, path)
        for left in (aside, earlier):
            shutil.rmtree(left, ignore_errors=True)


def _write_error(path: Path, error: OSError) -> InfluenceError:
    return InfluenceError(
        f"could not write {path}: {error}. Free space or choose another folder; what was there "
        "before is unchanged"
    )


@contextmanager
def write_hdf5(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """Yield an empty HDF5 file in memory; write it to `path` if the block succeeds.

    When the disk is full, the HDF5 library raises an error on writing and again on closing, and
    then crashes; a file in memory avoids this.

    Raises
    ------
    InfluenceError
        As for `replace_on_success`.
    """
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        yield file
    with replace_on_success(path) as aside:
        aside.write_bytes(image.getbuffer())


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 hash of a file in hexadecimal digits.

    Raises
    ------
    InfluenceError
        If it is no regular file, whose bytes may have no end.
    """
    check_regular(path)
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
