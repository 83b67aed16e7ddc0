"""Zip archives: the check of their members' sizes and checksums before torch reads them."""

from __future__ import annotations

import io
import zipfile

from influence.errors import InfluenceError

__all__ = ["check_archive", "is_archive"]

UNPACKED = 2**29
"""Members may claim more bytes than this in all only if the file is as large."""

_BLOCK = 1 << 20


def is_archive(data: bytes) -> bool:
    """Return whether bytes begin as those of a zip archive."""
    return data.startswith(b"PK")


def check_archive(data: bytes) -> list[str]:
    """Check the sizes and checksums of all members of a zip archive.

    torch checks neither. Archives that were written without checksums
    (`torch.serialization.set_crc32_options`) are taken as they are.

    Parameters
    ----------
    data
        The whole archive.

    Returns
    -------
    list of str
        The members without a checksum.

    Raises
    ------
    InfluenceError
        If a member is damaged, or members claim more bytes than the file has.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> with zipfile.ZipFile(buffer, "w") as archive:
    ...     archive.writestr("a/data/0", b"weights")
    >>> check_archive(buffer.getvalue())
    []
    >>> check_archive(buffer.getvalue().replace(b"weights", b"weighty"))
    Traceback (most recent call last):
    influence.errors.InfluenceError: its member 'a/data/0' does not match its checksum: bits of \
it have changed. Copy the file again
    """
    without = []
    name = ""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > max(UNPACKED, len(data)):
                raise InfluenceError(
                    f"its members claim more bytes than the {len(data)} of the file. Save the "
                    "weights again with torch.save"
                )
            for info in infos:
                name = info.filename
                if not info.CRC and info.file_size:
                    without.append(name)
                    continue
                with archive.open(info) as member:
                    while member.read(_BLOCK):
                        pass
    except InfluenceError:
        raise
    except zipfile.BadZipFile as error:
        if "CRC" not in str(error):
            raise InfluenceError(f"it is an archive that is cut off: {error}") from error
        raise InfluenceError(
            f"its member {name!r} does not match its checksum: bits of it have changed. Copy the "
            "file again"
        ) from error
    except Exception as error:  # zipfile raises many kinds on malformed archives
        raise InfluenceError(
            f"its member {name!r} cannot be read: {error}. Copy the file again"
        ) from error
    return without
