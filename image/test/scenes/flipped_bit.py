"""One flipped bit in the root: a slot whose first block is not what was signed never starts, one with a bad block elsewhere stops when it is read."""

from builder import say
from checks import gpt
import plain
from stage import BUDGET, Stage, expect

ROOT = "root-x86-64"
BLOCK = 4096


def run(stage: Stage) -> None:
    disk = stage.disk()
    root = next(part for part in gpt.read(stage.directory / disk) if part.kind == ROOT)
    length = stage.output("vallum-*.root.erofs").stat().st_size
    # The file system's own description (1 KiB from the start), and the middle of its files.
    for name, offset in (("first block", 1024 + 16), ("middle", length // 2 // BLOCK * BLOCK + 7)):
        place = root.start + offset
        flip(stage, disk, place)
        refuses(stage, disk, name)
        flip(stage, disk, place)


def flip(stage: Stage, disk: str, place: int) -> None:
    with (stage.directory / disk).open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def refuses(stage: Stage, disk: str, name: str) -> None:
    """Without a second slot the machine starts again and again: QEMU ends at the first new start."""
    with stage.bare_machine(name) as machine:
        machine.disks.append(disk)
        machine.credential("vallum.yaml", plain.configuration(stage, "must not be seen"))
        machine.start()
        ended = machine.wait_for_end(BUDGET["time"]["boot_max"], lambda: plain.says(stage))
        console = machine.console()
        say.note(f"{name}: ended after {ended:.0f} s")
        expect("is corrupted" in console, f"{name}: dm-verity names the block", console[-1500:])
