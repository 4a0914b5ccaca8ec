"""Kernel modules: the wanted ones and those that they depend on."""

import lzma
import re
import struct
from pathlib import Path

from . import say

# Modules that the kernel was built with have their name here instead of a file.
BUILTIN = "modules.builtin"
INDEXES = ("modules.builtin", "modules.builtin.modinfo", "modules.order")


def version(root: Path) -> str:
    """The version of the one kernel below `root`."""
    found = sorted(path.name for path in (root / "usr/lib/modules").iterdir())
    if len(found) != 1:
        raise say.Failure(f"expected one kernel in the packages, found {found or 'none'}")
    return found[0]


def select(wanted: list[str], root: Path) -> list[str]:
    """Paths (absolute, as in the tree) of the modules in `wanted` with their dependencies, and the kernel's indexes.

    Raises Failure when the kernel has a name neither as a file nor built in.
    """
    base = root / "usr/lib/modules" / version(root)
    files = {plain(path.name): path for path in base.rglob("*.ko*")}
    builtin = {plain(line.rsplit("/", 1)[1]) for line in (base / BUILTIN).read_text().splitlines()}
    unknown = [name for name in wanted if plain(name) not in files and plain(name) not in builtin]
    if unknown:
        raise say.Failure(f"the kernel {base.name} has no module {', '.join(unknown)}: correct image/allow")
    chosen: set[str] = set()
    queue = [plain(name) for name in wanted]
    while queue:
        name = queue.pop()
        if name in chosen or name not in files:
            continue
        chosen.add(name)
        queue += dependencies(files[name])
    paths = [files[name] for name in chosen] + [base / name for name in INDEXES]
    return sorted("/" + str(path.relative_to(root)) for path in paths)


def plain(name: str) -> str:
    """The name as the kernel compares it."""
    return name.split(".ko")[0].replace("-", "_")


def dependencies(path: Path) -> list[str]:
    """What the module's own `.modinfo` says it depends on, hard and soft."""
    names: list[str] = []
    for line in modinfo(path).split(b"\0"):
        key, _, value = line.decode(errors="replace").partition("=")
        if key == "depends":
            names += filter(None, value.split(","))
        elif key == "softdep":
            names += re.sub(r"\b(pre|post):", " ", value).split()
    return [plain(name) for name in names]


def modinfo(path: Path) -> bytes:
    image = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    (sections,) = struct.unpack_from("<Q", image, 0x28)
    size, count, names_at = struct.unpack_from("<HHH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", image, sections + size * i) for i in range(count)]
    names = headers[names_at][4]
    for name, _, _, _, offset, length in headers:
        start = names + name
        if image[start : image.index(b"\0", start)] == b".modinfo":
            return image[offset : offset + length]
    return b""
