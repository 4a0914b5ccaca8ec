"""The program itself: one static binary, so that it needs nothing of the image."""

import os
import subprocess
from pathlib import Path

from . import elf, say

TARGET = "x86_64-unknown-linux-gnu"


def build(source: Path, extra: dict[str, str] | None = None) -> Path:
    """Builds `vallum` for the image, with paths of the machine left out of it and `extra` in the environment; returns the file."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    folder = source / "target-image"
    flags = f"-C target-feature=+crt-static --remap-path-prefix={source}=/vallum --remap-path-prefix={home}=/cargo"
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(folder),
        "CARGO_PROFILE_RELEASE_DEBUG": "false",
        "CARGO_PROFILE_RELEASE_STRIP": "debuginfo",
        "RUSTFLAGS": flags,
        **(extra or {}),
    }
    command = ["cargo", "build", "--release", "--locked", "--target", TARGET, "--bin", "vallum"]
    try:
        done = subprocess.run(command, cwd=source, env=environment, check=False)
    except FileNotFoundError as missing:
        raise say.Failure("cargo is missing: install Rust, or name a built program by --binary") from missing
    if done.returncode != 0:
        raise say.Failure(f"cargo ended with {done.returncode}; its messages stand above")
    return folder / TARGET / "release/vallum"


def check(binary: Path) -> None:
    """Whether `binary` can run in the image: an ELF program that needs no library."""
    if not binary.is_file() or not elf.is_elf(binary):
        raise say.Failure(f"{binary} is no 64-bit ELF program: give --binary a built vallum")
    if names := elf.needed(binary):
        raise say.Failure(f"{binary} needs {', '.join(names)}: the image takes a static program (see image/README.md)")
