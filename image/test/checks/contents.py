"""Nothing is in the image that somebody could run but what programs.txt names."""

import fnmatch
import stat
from pathlib import Path

from builder import audit, disk, say

from .shipped import Shipped
from .trees import Tree

LIST = Path(__file__).with_name("programs.txt")
MODULES, LIBRARIES = "/usr/lib/modules/", "/usr/lib/x86_64-linux-gnu/"
# Users' shells and passwords: nobody has one.
NO_SHELL, LOCKED = "/nonexistent", ("!*", "!", "*")


def programs(shipped: Shipped) -> str:
    """Every ELF file and every script in the three trees is named, and everything that is named is there."""
    named, problems, count = _named(), [], 0
    for kind, tree in (("root", shipped.root), ("initrd", shipped.initrd), ("root", shipped.whole)):
        count += len(found := _runnable(tree))
        problems += [f"{path} ({kind}) is not named" for path in found if not any(fnmatch.fnmatchcase(path, name) for name in named[kind])]
        problems += [f"{name} ({kind}) is named and not there" for name in named[kind] if not fnmatch.filter(found, name)]
        problems += [f"{path} ({kind}) has a forbidden name" for path in tree if path.rsplit("/", 1)[1] in audit.FORBIDDEN and not _asked_for(path, kind)]
    if problems:
        raise say.Failure(f"compared with {LIST.name}:\n" + "\n".join(sorted(set(problems))))
    return f"{count} programs and libraries, all named"


def modes(shipped: Shipped) -> str:
    """Everything is root's; nothing gives rights away (setuid, setgid, sticky, writable, capabilities), nothing is a device."""
    problems, count = [], 0
    for kind, tree in (("root", shipped.root), ("initrd", shipped.initrd), ("all-in-one", shipped.whole)):
        for path, entry in tree.items():
            count += 1
            where = f"{path} ({kind})"
            if not (entry.is_file or entry.is_link or stat.S_ISDIR(entry.mode)):
                problems.append(f"{where} is neither file, folder nor link")
            if entry.mode & 0o7022 and not entry.is_link:
                problems.append(f"{where} has the mode {stat.S_IMODE(entry.mode):o}")
            if entry.owner != (0, 0):
                problems.append(f"{where} belongs to {entry.owner}")
            if entry.attributes:
                problems.append(f"{where} has the attributes {entry.attributes}")
    if problems:
        raise say.Failure("\n".join(problems))
    return f"{count} files, folders and links"


def accounts(shipped: Shipped) -> str:
    """Nobody can log in: no shell, no password, in any of the trees."""
    count = 0
    for tree in (shipped.root, shipped.initrd, shipped.whole):
        for line in _lines(tree, "/etc/passwd"):
            count += 1
            if line.rsplit(":", 1)[1] != NO_SHELL or line.split(":")[1] != "x":
                raise say.Failure(f"/etc/passwd: {line}")
        for line in _lines(tree, "/etc/shadow"):
            if line.split(":")[1] not in LOCKED:
                raise say.Failure(f"/etc/shadow: {line}")
    return f"{count} accounts without a shell"


def same_tree(shipped: Shipped) -> str:
    """The all-in-one boot file (but for what waits for partitions) and the container's archive hold the very root of the disk."""
    forms = {"all-in-one.efi": (shipped.whole, {"/init"}, disk.UNITS), "rootfs.tar": (shipped.archive, set(), set())}
    for name, (tree, more, less) in forms.items():
        plain = {path: (entry.mode, entry.data) for path, entry in tree.items() if path not in more}
        root = {path: (entry.mode, entry.data) for path, entry in shipped.root.items() if path.rsplit("/", 1)[1] not in less}
        if different := sorted(path for path in plain.keys() | root.keys() if plain.get(path) != root.get(path)):
            raise say.Failure(f"{name} and root.erofs differ in {', '.join(different[:20])}")
    return f"{len(shipped.root)} entries"


def _asked_for(path: str, kind: str) -> bool:
    """The first root is left by `systemctl switch-root`; it is gone when anything serves."""
    return kind == "initrd" and path == "/usr/bin/systemctl"


def _runnable(tree: Tree) -> list[str]:
    """ELF files but kernel modules, scripts, and whatever else has an executable bit."""
    found = []
    for path, entry in tree.items():
        module = path.startswith(MODULES) and path.endswith(".ko")
        if entry.is_file and (entry.is_elf or entry.data[:2] == b"#!" or entry.mode & 0o111) and not module:
            found.append(path)
    return found


def _named() -> dict[str, list[str]]:
    """`root` and `initrd` to patterns of paths; a name without a slash is a library's."""
    named: dict[str, list[str]] = {"root": [], "initrd": []}
    for raw in LIST.read_text().splitlines():
        words = raw.split("#")[0].split()
        if words:
            kinds, path = words[0], words[1] if words[1].startswith("/") else LIBRARIES + words[1]
            for kind in kinds.split(","):
                named[kind].append(path)
    return named


def _lines(tree: Tree, path: str) -> list[str]:
    return tree[path].data.decode().splitlines() if path in tree else []
