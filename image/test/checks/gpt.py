"""Reads a GUID partition table, both copies (UEFI specification, section 5.3), and says what is wrong with it."""

import struct
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

from builder import say

SECTOR = 512
HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
ENTRIES_MAX, ENTRY_BYTES = 128, 128
TYPES = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "esp",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "root-x86-64",
    "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5": "root-x86-64-verity",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "linux-generic",
    "ca7d7ccb-63ed-4c53-861c-1742536059cc": "luks",
}


@dataclass(frozen=True)
class Partition:
    kind: str
    uuid: str
    label: str
    start: int
    length: int
    """Both in bytes."""

    def read(self, disk: Path, length: int | None = None) -> bytes:
        with disk.open("rb") as file:
            file.seek(self.start)
            return file.read(self.length if length is None else length)


def read(disk: Path) -> list[Partition]:
    """The partitions in the table's order. Raises Failure when one copy of the table is broken or the two differ."""
    size = disk.stat().st_size
    with disk.open("rb") as file:
        first, entries = _copy(file, 1, size)
        second, others = _copy(file, first["backup"], size)
    if entries != others or second["backup"] != 1 or first["disk"] != second["disk"]:
        raise say.Failure(f"{disk.name}: the two copies of the partition table differ")
    parts = [_partition(entries[at : at + ENTRY_BYTES]) for at in range(0, len(entries), ENTRY_BYTES)]
    found = [part for part in parts if part]
    spans = sorted((part.start, part.start + part.length) for part in found)
    for (_, end), (start, _) in zip(spans, spans[1:], strict=False):
        if start < end:
            raise say.Failure(f"{disk.name}: partitions overlap at byte {start}")
    if spans and spans[-1][1] > (first["last"] + 1) * SECTOR:
        raise say.Failure(f"{disk.name}: a partition ends behind the last usable sector")
    return found


def _copy(file, sector: int, size: int) -> tuple[dict, bytes]:
    place = f"the partition table at sector {sector}"
    if not 0 < sector < size // SECTOR:
        raise say.Failure(f"{place} would be outside of the disk")
    file.seek(sector * SECTOR)
    raw = file.read(SECTOR)
    magic, _, length, crc, _, here, backup, _, last, disk, at, count, entry, entries_crc = HEADER.unpack_from(raw)
    if magic != b"EFI PART" or here != sector or not HEADER.size <= length <= SECTOR:
        raise say.Failure(f"{place} has no valid header")
    if zlib.crc32(raw[:16] + b"\0" * 4 + raw[20:length]) != crc:
        raise say.Failure(f"{place} has a wrong checksum")
    if entry != ENTRY_BYTES or count > ENTRIES_MAX:
        raise say.Failure(f"{place} has {count} entries of {entry} bytes; expected at most {ENTRIES_MAX} of {ENTRY_BYTES}")
    file.seek(at * SECTOR)
    entries = file.read(count * entry)
    if zlib.crc32(entries) != entries_crc:
        raise say.Failure(f"{place}: its entries have a wrong checksum")
    return {"backup": backup, "last": last, "disk": disk}, entries


def _partition(entry: bytes) -> Partition | None:
    kind, own, first, last, _ = struct.unpack_from("<16s16sQQQ", entry)
    if kind == bytes(16):
        return None
    name = str(uuid.UUID(bytes_le=kind))
    label = entry[56:].decode("utf-16-le").split("\0")[0]
    return Partition(TYPES.get(name, name), str(uuid.UUID(bytes_le=own)), label, first * SECTOR, (last + 1 - first) * SECTOR)
