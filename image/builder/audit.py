"""Checks of a finished build that need no machine to boot: what is in the tree, and what it costs."""

import re
import stat
import tomllib
from pathlib import Path

from . import elf, say
from .tools import Tools

# Names of programs that would let somebody in, or build something inside.
FORBIDDEN = frozenset(
    "sh bash dash zsh ash busybox ssh sshd login su sudo agetty getty sulogin apt apt-get dpkg python3 perl gcc cc curl wget nc "
    "socat systemctl journalctl systemd-run run0 machinectl gdb strace tcpdump ip nft".split()
)


def programs(tree: Path) -> list[str]:
    """Paths of the files that can be executed, libraries apart."""
    found = []
    for place in sorted(tree.rglob("*")):
        if place.is_file() and not place.is_symlink() and place.stat().st_mode & 0o111 and ".so" not in place.name:
            found.append("/" + str(place.relative_to(tree)))
    return found


def tree(root: Path, budget: dict) -> None:
    """Raises Failure when the root holds what must not be there."""
    problems = []
    for place in root.rglob("*"):
        path = "/" + str(place.relative_to(root))
        if place.name in FORBIDDEN:
            problems.append(f"{path} must not be in the image")
        if place.is_symlink():
            continue
        mode = place.stat().st_mode
        if mode & (stat.S_ISUID | stat.S_ISGID) or mode & stat.S_IWOTH:
            problems.append(f"{path} has the mode {stat.S_IMODE(mode):o}")
        if stat.S_ISREG(mode) and mode & 0o111 and not elf.is_elf(place):
            problems.append(f"{path} is executable but no ELF program")
    if len(found := programs(root)) > (limit := budget["security"]["programs_max"]):
        problems.append(f"{len(found)} programs, budget.toml allows {limit}: {' '.join(found)}")
    if problems:
        raise say.Failure("the root is not as it must be:\n" + "\n".join(problems))


def exposure(tools: Tools, root: Path, budget: dict) -> None:
    """Raises Failure when `systemd-analyze security` thinks worse of the proxy's unit than the budget allows."""
    said = tools.run("systemd-analyze", "security", "--offline=yes", "--no-pager", f"--root=/build/{root.name}", "vallum.service")
    found = re.search(r"Overall exposure level for vallum.service: ([0-9.]+)", said)
    limit = budget["security"]["exposure_max"]
    if not found or float(found[1]) > limit:
        raise say.Failure(f"exposure of vallum.service: {found[1] if found else said[-400:]}, budget.toml allows {limit}")
    say.note(f"exposure of vallum.service {found[1]} of {limit}")


def sizes(measured: dict[str, int], budget: dict) -> None:
    """Raises Failure when one of `measured` (name in budget.toml → bytes) is over its budget; prints them all."""
    over = []
    for name, seen in measured.items():
        limit = budget["size"][f"{name}_max"]
        say.note(f"{name}: {say.size(seen)} of {say.size(limit)}")
        if seen > limit:
            over.append(f"{name} has {say.size(seen)}, budget.toml allows {say.size(limit)}")
    if over:
        raise say.Failure("; ".join(over))


def read_budget(path: Path) -> dict:
    return tomllib.loads(path.read_text())
