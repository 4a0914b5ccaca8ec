"""Reads the sections of an EFI program (PE/COFF): what a boot file is made of."""

import struct
from pathlib import Path

from builder import say


def sections(program: Path) -> dict[str, bytes]:
    """Name to content (its virtual size, without the padding of the file)."""
    image = program.read_bytes()
    (at,) = struct.unpack_from("<I", image, 0x3C)
    if image[:2] != b"MZ" or image[at : at + 4] != b"PE\0\0":
        raise say.Failure(f"{program.name} is no EFI program")
    count, optional = struct.unpack_from("<2xH12xH", image, at + 4)
    found = {}
    for number in range(count):
        name, size, _, stored, offset = struct.unpack_from("<8sIIII", image, at + 24 + optional + 40 * number)
        found[name.rstrip(b"\0").decode()] = image[offset : offset + min(size, stored)]
    return found
