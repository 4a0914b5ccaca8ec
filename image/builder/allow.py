"""The allow-lists: what may be in the image. Nothing else of the packages gets in.

A line that begins with `/` and ends with `/` opens a folder; the lines below it, indented, name what is taken from it (shell patterns
may stand there). A line `modules` opens a list of kernel modules, a line `links` one of `path -> target`,
a line `folders` one of empty directories, the lines `wants` and `requires` one of `target: unit unit …`.
"""

from dataclasses import dataclass, field
from pathlib import Path

from . import say

UNITS = "/usr/lib/systemd/system"


@dataclass
class Allowed:
    files: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)


def read(path: Path) -> Allowed:
    allowed, section = Allowed(), ""
    for number, raw in enumerate(path.read_text().splitlines(), 1):
        line = raw.split("#")[0].rstrip()
        if not line:
            continue
        if not line.startswith(" "):
            section = line
        else:
            _entry(allowed, section, line.strip(), f"{path}:{number}")
    return allowed


def _entry(allowed: Allowed, section: str, text: str, place: str) -> None:
    if section.startswith("/") and section.endswith("/"):
        allowed.files += [section + name for name in text.split()]
    elif section == "modules":
        allowed.modules += text.split()
    elif section == "folders":
        allowed.folders += text.split()
    elif section == "links" and " -> " in text:
        link, target = text.split(" -> ")
        allowed.links[link.strip()] = target.strip()
    elif section in ("wants", "requires") and ": " in text:
        target, units = text.split(": ", 1)
        for unit in units.split():
            allowed.links[f"{UNITS}/{target}.{section}/{unit}"] = f"../{unit}"
    else:
        raise say.Failure(f"{place}: {text!r} fits no section ({section!r} is open); see builder/allow.py for the form")
