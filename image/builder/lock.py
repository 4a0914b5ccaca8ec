"""The lock: which packages, exactly, an image is made of (`name=version=sha256`, one a line)."""

from pathlib import Path

from . import apt, say


def lines(files: list[Path]) -> list[str]:
    return sorted("=".join((*apt.package_of(file), apt.sha256(file))) for file in files)


def check(files: list[Path], lock: Path, drift_allowed: bool) -> None:
    """Compares the packages with the lock; raises Failure on a difference, or says it when `drift_allowed`."""
    now = lines(files)
    locked = lock.read_text().splitlines() if lock.exists() else []
    if now == locked:
        return
    differences = [f"- {line}" for line in sorted(set(locked) - set(now))] + [f"+ {line}" for line in sorted(set(now) - set(locked))]
    for line in differences:
        say.note(line)
    if not drift_allowed:
        raise say.Failure(
            f"{len(differences)} lines differ from {lock} (Debian published updates, or the list changed): read them, then "
            "run image/build --lock to accept them, or --drift to build once with what the mirror has"
        )
    say.note(f"{lock.name}: the mirror has moved on; building with what it has")


def write(files: list[Path], lock: Path) -> None:
    lock.write_text("".join(f"{line}\n" for line in lines(files)))
    say.note(f"{lock}: {len(files)} packages")
