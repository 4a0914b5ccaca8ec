"""Makes a tree of files out of the unpacked packages, an allow-list and our own files."""

import lzma
import os
import shutil
import stat
from pathlib import Path

from . import allow, elf, kmod, say

# No program of the image runs with more than its caller has.
MODE_MASK = 0o0755


class Tree:
    """A tree below `path`, taken from `packages` (unpacked)."""

    def __init__(self, path: Path, packages: Path):
        self.path, self.packages = path, packages
        self.taken: set[str] = set()
        # Path in the tree to path in the packages, for what came from there.
        self.origin: dict[str, str] = {}
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)

    def take(self, allowed: allow.Allowed) -> None:
        """Copies what is allowed, the kernel's modules, and every library that a copied program needs."""
        for folder in allowed.folders:
            (self.path / folder[1:]).mkdir(parents=True, exist_ok=True)
        for pattern in allowed.files:
            found = sorted(self.packages.glob(pattern[1:]))
            if not found:
                raise say.Failure(f"the allow-list names {pattern}, which no package has: did a package move it?")
            for source in found:
                self._take("/" + str(source.relative_to(self.packages)))
        if allowed.modules:
            for path in kmod.select(allowed.modules, self.packages):
                self._take(path)
        for link, target in sorted(allowed.links.items()):
            place = self.path / link[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)

    def lay(self, overlay: Path) -> None:
        """Lays our own files over the tree."""
        for source in sorted(overlay.rglob("*")):
            if not source.is_dir():
                self.put(source, "/" + str(source.relative_to(overlay)))

    def put(self, source: Path, path: str, mode: int = 0o644) -> None:
        """Puts one file of ours at `path`."""
        place = self.path / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        self.origin.pop(path, None)
        shutil.copyfile(source, place)
        place.chmod(mode)

    def write(self, path: str, text: str) -> None:
        place = self.path / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_text(text)
        place.chmod(0o644)

    def settle(self, epoch: int) -> None:
        """Brings owner, mode and time of everything into one form, so that two builds are equal."""
        for place in [self.path, *self.path.rglob("*")]:
            if not place.is_symlink():
                mode = stat.S_IMODE(place.stat().st_mode) & MODE_MASK
                place.chmod(0o755 if place.is_dir() else mode)
            os.chown(place, 0, 0, follow_symlinks=False)
            os.utime(place, (epoch, epoch), follow_symlinks=False)

    def _take(self, path: str) -> None:
        """Copies one file with what it needs: the target of a link, the libraries of a program."""
        if path in self.taken:
            return
        self.taken.add(path)
        source, place = self.packages / path[1:], self.path / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target = os.readlink(source)
            place.symlink_to(target)
            self._take(os.path.normpath(os.path.join(os.path.dirname(path), target)))
        elif source.is_dir():
            place.mkdir(exist_ok=True)
        elif path.endswith(".ko.xz"):
            # The image is compressed as a whole, and libkmod would need one more library.
            plain = place.with_suffix("")
            plain.write_bytes(lzma.decompress(source.read_bytes()))
            plain.chmod(0o644)
            self.origin[path.removesuffix(".xz")] = path
        elif source.is_file():
            self.origin[path] = path
            shutil.copyfile(source, place)
            place.chmod(stat.S_IMODE(source.stat().st_mode) & MODE_MASK)
            if elf.is_elf(source):
                self._take_libraries(path, source)
        else:
            raise say.Failure(f"{path} is not in the packages, but something that is allowed refers to it")

    def _take_libraries(self, path: str, source: Path) -> None:
        for name in elf.needed(source):
            library = elf.find_library(name, self.packages)
            if library is None:
                raise say.Failure(f"{path} needs {name}, which no package has: add the package to image/packages/root.txt")
            self._take("/" + str(library.relative_to(self.packages)))
