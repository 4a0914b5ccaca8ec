"""Reads what `vallum console` has drawn on the serial line."""

import re

TITLE = "Vallum"
LINE = re.compile(r"(\S+) +(\S.*)")


def last(console: str) -> dict[str, str]:
    """The newest whole picture, name of the line to its text; empty when none was drawn yet."""
    lines = console.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(f"{TITLE}   ")]
    # The newest may not be whole yet.
    for start in reversed(starts):
        picture = {}
        for line in lines[start : start + 8]:
            if not (found := LINE.fullmatch(line)) or found[1] in picture:
                break
            picture[found[1]] = found[2]
        if "error" in picture or picture.get("health") == "not running":
            return picture
    return {}
