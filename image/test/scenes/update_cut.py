"""The plug is pulled while an update is written, at several moments; each time the old version starts and serves, and then the update succeeds."""


import plain
from builder import say
from checks import gpt
from releases import FIRST, SECOND
from stage import Stage, expect
from updating import Updating

UPGRADE_SECONDS_MAX = 600
# So slow that the plug is out long before the last byte is written.
WRITES_MAX = 2 << 20
SLOT_B = 3
PROBE_BYTES = 1 << 20


def run(stage: Stage) -> None:
    updating = Updating(stage)
    url = updating.releases.serve(updating.releases.copy(SECOND, "release"))
    root = (updating.releases.folder / f"release-{SECOND}" / f"vallum-{SECOND}.root.erofs").read_bytes()
    moments = {
        "the first MiB of the root is written": lambda: probe(stage, updating, 0) == root[:PROBE_BYTES],
        "the middle of the root is written": lambda: probe(stage, updating, len(root) // 2) == root[len(root) // 2 :][:PROBE_BYTES],
    }
    for name, moment in moments.items():
        with updating.machine(f"cut when {name}", name) as machine:
            machine.start()
            plain.serves(stage, machine, name)
            updating.runs(machine, FIRST)
            machine.slow_writes(WRITES_MAX)
            words = ["image", "upgrade", "--source", url]
            asking = updating.remote.start(*words)
            plain.waits(machine, name, moment, UPGRADE_SECONDS_MAX)
            machine.power_cut()
            asking.wait()
            say.note(f"cut when {name}")
    with updating.machine("after the cuts", "whole") as machine:
        machine.start()
        plain.serves(stage, machine, "whole")
        updating.runs(machine, FIRST)
        updating.remote.run("image", "upgrade", "--source", url, "--reboot", seconds=UPGRADE_SECONDS_MAX)
        updating.runs(machine, SECOND)
        expect(plain.says(stage) == "whole", f"the update to {SECOND} succeeds after the cuts")


def probe(stage: Stage, updating: Updating, offset: int) -> bytes:
    """A MiB of the other slot, as the disk has it."""
    disk = stage.directory / updating.disk
    try:
        slot = gpt.read(disk)[SLOT_B]
    except say.Failure:
        # The table is being written.
        return b""
    with disk.open("rb") as file:
        file.seek(slot.start + offset)
        return file.read(PROBE_BYTES)
