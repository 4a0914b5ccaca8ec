"""What the person at the terminal sees, and how a step ends when it cannot go on."""

import subprocess
import time
from pathlib import Path

BEGAN = time.monotonic()
# Lines of a failed command's output that are shown; the rest is in the log.
FAILED_LINES_SHOWN = 25


class Failure(Exception):
    """The build cannot go on: what was seen, and what to do about it."""


def step(text: str) -> None:
    """Announces a step, with the seconds since the start."""
    print(f"== {text} ({time.monotonic() - BEGAN:.0f} s)", flush=True)


def note(text: str) -> None:
    print(f"   {text}", flush=True)


def size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def run(command: list, log: Path, **options) -> str:
    """Runs a command with its output appended to `log`; returns its standard output.

    Raises Failure with the end of the output when the command is missing or fails.
    """
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    except FileNotFoundError as missing:
        raise Failure(f"{command[0]} is missing ({missing}): install it and try again") from missing
    output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    with log.open("a") as file:
        file.write(f"$ {' '.join(command)}\n{output}{errors}\n")
    if done.returncode != 0:
        tail = "\n".join((output + errors).splitlines()[-FAILED_LINES_SHOWN:])
        raise Failure(f"{command[0]} ended with {done.returncode} (whole output: {log}):\n{tail}")
    return output
