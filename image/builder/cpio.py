"""Writes a tree as a cpio archive (format `newc`, what the kernel unpacks as its first root), the same bytes each time."""

import os
import stat
from pathlib import Path

TRAILER = "TRAILER!!!"


def write(tree: Path, into: Path, epoch: int, without: frozenset[str] = frozenset()) -> None:
    """Writes everything but files named in `without`, wherever they are."""
    with into.open("wb") as file:
        found = (place for place in tree.rglob("*") if place.name not in without)
        entries = sorted(found, key=lambda place: place.relative_to(tree).parts)
        for number, place in enumerate(entries, 1):
            about = place.lstat()
            if stat.S_ISLNK(about.st_mode):
                data = os.readlink(place).encode()
            else:
                data = place.read_bytes() if stat.S_ISREG(about.st_mode) else b""
            mode = 0o120777 if stat.S_ISLNK(about.st_mode) else about.st_mode
            file.write(_entry(str(place.relative_to(tree)), number, mode, epoch, data))
        file.write(_entry(TRAILER, 0, 0, 0, b""))


def _entry(name: str, number: int, mode: int, time: int, data: bytes) -> bytes:
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, time, len(data), 0, 0, 0, 0, len(name.encode()) + 1, 0)
    head = "070701" + "".join(f"{value:08X}" for value in fields)
    return _padded(head.encode() + name.encode() + b"\0") + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
