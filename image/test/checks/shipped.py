"""What a build put out, taken apart once for all checks."""

import functools
import json
import shutil
from pathlib import Path

from builder import say
from builder.tools import Tools

from . import gpt, pe, trees


class Shipped:
    """The outputs in `out`; parts of them are unpacked in `directory`, which the tools see as /build."""

    def __init__(self, out: Path, directory: Path, tools_root: Path):
        self.out, self.directory = out, directory
        self.tools = Tools(tools_root, directory, directory / "offline.log", 0)
        packed = sorted(out.glob("vallum-*.raw.xz"))
        if len(packed) != 1:
            raise say.Failure(f"expected one vallum-*.raw.xz in {out}, found {len(packed)}: run image/build")
        self.name = packed[0].name.removesuffix(".raw.xz")
        self.version = self.name.removeprefix("vallum-")

    def file(self, ending: str) -> Path:
        return self.out / f"{self.name}.{ending}"

    @functools.cached_property
    def raw(self) -> Path:
        """The disk, unpacked."""
        return self.unpack("raw.xz")

    def unpack(self, ending: str) -> Path:
        """An .xz output, unpacked in `directory`; holes stay holes."""
        packed = self.directory / self.file(ending).name
        shutil.copyfile(self.file(ending), packed)
        self.tools.run("xz", "--decompress", "--force", f"/build/{packed.name}")
        return packed.with_suffix("")

    @functools.cached_property
    def partitions(self) -> list[gpt.Partition]:
        return gpt.read(self.raw)

    @functools.cached_property
    def boot_file(self) -> dict[str, bytes]:
        return pe.sections(self.file("efi"))

    @functools.cached_property
    def all_in_one(self) -> dict[str, bytes]:
        return pe.sections(self.file("all-in-one.efi"))

    @functools.cached_property
    def archive(self) -> trees.Tree:
        """The tree of the container's archive."""
        return trees.of_tar(self.unpack("rootfs.tar.xz"))

    @property
    def command_line(self) -> str:
        return self.boot_file[".cmdline"].rstrip(b"\0\n").decode()

    @property
    def root_hash(self) -> str:
        found = [word.removeprefix("roothash=") for word in self.command_line.split() if word.startswith("roothash=")]
        if len(found) != 1:
            raise say.Failure(f"the boot file's command line has {len(found)} root hashes: {self.command_line}")
        return found[0]

    @functools.cached_property
    def root_folder(self) -> Path:
        """The root's file system, extracted with owners, modes and extended attributes."""
        shutil.copyfile(self.file("root.erofs"), self.directory / "root.erofs")
        self.tools.run("fsck.erofs", "--extract=/build/root", "--xattrs", "/build/root.erofs")
        return self.directory / "root"

    @functools.cached_property
    def root(self) -> trees.Tree:
        return trees.of_folder(self.root_folder)

    @functools.cached_property
    def initrd(self) -> trees.Tree:
        return self._first_root(self.boot_file, "initrd")

    @functools.cached_property
    def whole(self) -> trees.Tree:
        """The tree of the all-in-one boot file."""
        return self._first_root(self.all_in_one, "all-in-one")

    @functools.cached_property
    def bill(self) -> dict:
        return json.loads(self.file("spdx.json").read_text())

    def _first_root(self, boot_file: dict[str, bytes], name: str) -> trees.Tree:
        packed = self.directory / f"{name}.cpio.zst"
        packed.write_bytes(boot_file[".initrd"])
        self.tools.run("zstd", "-q", "-d", "-f", f"/build/{packed.name}", "-o", f"/build/{name}.cpio")
        return trees.of_cpio((self.directory / f"{name}.cpio").read_bytes())
