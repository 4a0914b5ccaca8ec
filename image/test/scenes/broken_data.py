"""A data partition whose beginning is gone is repaired, one that is rubbish from end to end is made anew; the machine serves either way."""

import os

import plain
from checks import gpt
from stage import Stage

DATA = 5
BEGINNING_BYTES = 64 << 10
CHUNK_BYTES = 4 << 20
POWER_DOWN_SECONDS_MAX = 120


def run(stage: Stage) -> None:
    disk = stage.disk()
    boot(stage, disk, "first", plain.configuration(stage, "first"), "first")
    data = gpt.read(stage.directory / disk)[DATA]
    overwrite(stage, disk, data.start, BEGINNING_BYTES)
    # The configuration is bad: only what the partition kept can serve.
    boot(stage, disk, "the beginning is gone", "routes: [", "first")
    overwrite(stage, disk, data.start, data.length)
    boot(stage, disk, "all of it is rubbish", plain.configuration(stage, "anew"), "anew")
    boot(stage, disk, "and once more", "routes: [", "anew")


def boot(stage: Stage, disk: str, name: str, text: str, word: str) -> None:
    with stage.bare_machine(name) as machine:
        machine.disks.append(disk)
        machine.credential("vallum.yaml", text)
        machine.start()
        plain.serves(stage, machine, word)
        machine.power_down(POWER_DOWN_SECONDS_MAX)


def overwrite(stage: Stage, disk: str, start: int, length: int) -> None:
    """Rubbish that is no file system's."""
    with (stage.directory / disk).open("r+b") as file:
        file.seek(start)
        left = length
        while left:
            left -= file.write(os.urandom(min(left, CHUNK_BYTES)))
