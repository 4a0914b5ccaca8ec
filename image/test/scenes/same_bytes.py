"""A second build, in other directories, from the same packages and the same binary, gives the same bytes in every output."""

import os
import re
import shutil
from datetime import datetime
from pathlib import Path

from builder import say
import stage as stages
from remote import program
from stage import Stage, expect

CHECKSUMS = "SHA256SUMS"
# What the first build has downloaded: a scene has no network.
PACKAGES = "apt"
EPOCH = "SOURCE_DATE_EPOCH"


def run(stage: Stage) -> None:
    work, out = stage.directory / "second/work", stage.directory / "second/out"
    work.mkdir(parents=True)
    shutil.copytree(stage.tools.root.parent / PACKAGES, work / PACKAGES)
    # Another mask than the first: it must not show.
    before = os.umask(0o077)
    try:
        os.environ[EPOCH] = str(epoch(stage))
        words = ["--drift", "--offline", "--binary", program(stage), "--version", version(stage), "--work", work, "--out", out]
        stages.build(*words)
    finally:
        os.umask(before)
        os.environ.pop(EPOCH, None)
    first, second = (sums(folder / CHECKSUMS) for folder in (stage.out, out))
    different = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    expect(not different, f"{len(first)} outputs have the same bytes", f"these differ: {', '.join(different)}")


def sums(path: Path) -> dict[str, str]:
    return dict(reversed(line.split("  ")) for line in path.read_text().splitlines())


def epoch(stage: Stage) -> int:
    """The time that the first build gave to its files: the bill of materials says it."""
    found = re.search(r'"created": "([^"]+)"', stage.output("vallum-*.spdx.json").read_text())
    if not found:
        raise say.Failure("the bill of materials has no time")
    return int(datetime.fromisoformat(found[1]).timestamp())


def version(stage: Stage) -> str:
    return stage.output("vallum-*.spdx.json").name.removeprefix("vallum-").removesuffix(".spdx.json")
