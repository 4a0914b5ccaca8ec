"""Trees of files as the shipped artefacts hold them, read back from each form: path (absolute) to entry."""

import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

from builder import say

CPIO_MAGIC, CPIO_HEAD, CPIO_TRAILER = b"070701", 110, "TRAILER!!!"


@dataclass(frozen=True)
class Entry:
    mode: int
    """With the file's type."""
    owner: tuple[int, int]
    data: bytes
    """Content of a file, target of a link."""
    attributes: tuple[str, ...] = ()
    """Names of extended attributes: a capability of a file would be one."""

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_elf(self) -> bool:
        return self.is_file and self.data[:4] == b"\x7fELF"


Tree = dict[str, Entry]


def of_folder(folder: Path) -> Tree:
    tree = {}
    for place in folder.rglob("*"):
        about = place.lstat()
        link, plain = stat.S_ISLNK(about.st_mode), stat.S_ISREG(about.st_mode)
        data = os.readlink(place).encode() if link else place.read_bytes() if plain else b""
        names = tuple(os.listxattr(place, follow_symlinks=False))
        tree["/" + str(place.relative_to(folder))] = Entry(about.st_mode, (about.st_uid, about.st_gid), data, names)
    return tree


def of_cpio(archive: bytes) -> Tree:
    """An archive in the form `newc`, as the kernel unpacks it; what follows its end is padding or an error."""
    tree, at = {}, 0
    while True:
        head = archive[at : at + CPIO_HEAD]
        if head[:6] != CPIO_MAGIC or len(head) < CPIO_HEAD:
            raise say.Failure(f"the first root has no valid entry at byte {at}")
        _, mode, uid, gid, _, _, size, *_, name_size, _ = (int(head[6 + 8 * i : 14 + 8 * i], 16) for i in range(13))
        name = archive[at + CPIO_HEAD : at + CPIO_HEAD + name_size - 1].decode()
        start = at + (CPIO_HEAD + name_size + 3) // 4 * 4
        if name == CPIO_TRAILER:
            break
        tree["/" + name] = Entry(mode, (uid, gid), archive[start : start + size])
        at = start + (size + 3) // 4 * 4
    if archive[start:].strip(b"\0"):
        raise say.Failure("the first root has more behind its end")
    return tree


def of_tar(archive: Path) -> Tree:
    kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.REGTYPE: stat.S_IFREG}
    tree = {}
    with tarfile.open(archive) as opened:
        for member in opened:
            if member.type not in kinds:
                raise say.Failure(f"{archive.name}: {member.name} is neither file, folder nor link")
            data = opened.extractfile(member).read() if member.isreg() else member.linkname.encode() if member.issym() else b""
            tree["/" + member.name] = Entry(kinds[member.type] | member.mode, (member.uid, member.gid), data)
    return tree
