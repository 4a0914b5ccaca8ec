"""Which shared libraries an ELF program names (DT_NEEDED), read from the file itself: nothing is executed."""

import struct
from pathlib import Path

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB = 0, 1, 5
# Where the loader itself lies, by the name that programs have for it, and where it looks.
LIBRARY_FOLDERS = ("usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd", "usr/lib")


def is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"\x7fELF\x02"


def needed(path: Path) -> list[str]:
    """Names of the libraries and of the loader that `path` (ELF, 64 bit, little endian) asks for."""
    image = path.read_bytes()
    (table,) = struct.unpack_from("<Q", image, 0x20)
    entry, count = struct.unpack_from("<HH", image, 0x36)
    headers = [struct.unpack_from("<IIQQQQQ", image, table + entry * i) for i in range(count)]
    names = []
    for kind, _, offset, _, _, length, _ in headers:
        if kind == PT_INTERP:
            names.append(image[offset : offset + length].rstrip(b"\0").decode().rsplit("/", 1)[1])
        if kind == PT_DYNAMIC:
            pairs = list(struct.iter_unpack("<qQ", image[offset : offset + length // 16 * 16]))
            strings = in_file(headers, next(value for tag, value in pairs if tag == DT_STRTAB))
            for tag, value in pairs:
                if tag == DT_NULL:
                    break
                if tag == DT_NEEDED:
                    start = strings + value
                    names.append(image[start : image.index(b"\0", start)].decode())
    return names


def in_file(headers: list[tuple], address: int) -> int:
    """The offset in the file of a virtual address."""
    for kind, _, offset, virtual, _, length, _ in headers:
        if kind == PT_LOAD and virtual <= address < virtual + length:
            return offset + address - virtual
    raise ValueError(f"address {address:#x} is in no segment of the file")


def find_library(name: str, root: Path) -> Path | None:
    """Where the loader would find a library below `root`."""
    for folder in LIBRARY_FOLDERS:
        candidate = root / folder / name
        if candidate.exists():
            return candidate
    return None
