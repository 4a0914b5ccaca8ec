"""A second version comes from a web server and is kept once it serves; the first comes back when told; then the second again, from a disk."""

import plain
from builder import say
from checks import gpt
import disks
from releases import FIRST, SECOND
from stage import Stage, expect
from updating import Updating

UPGRADE_SECONDS_MAX = 600
RELEASE_DISK_BYTES = 96 << 20


def run(stage: Stage) -> None:
    updating = Updating(stage)
    release = updating.releases.copy(SECOND, "release")
    url = updating.releases.serve(release)
    files = {path.name: path.read_bytes() for path in release.iterdir()}
    with updating.machine("from a web server", "served") as machine:
        machine.disks.append(disks.vfat(stage.tools, "stick", "VALLUMREL", files, RELEASE_DISK_BYTES))
        machine.start()
        plain.serves(stage, machine, "served")
        status = updating.runs(machine, FIRST)
        expect(status["other"]["version"] is None and status["takes_updates"], f"{FIRST} runs alone", status)
        upgrade(updating, url)
        status = updating.runs(machine, SECOND)
        expect(status["other"]["version"] == FIRST, f"{SECOND} runs after {machine.seconds():.0f} s, {FIRST} is in the other slot", status)
        plain.serves(stage, machine, "served")
        updating.remote.run("image", "rollback", "--reboot")
        status = updating.runs(machine, FIRST)
        expect(status["other"]["version"] == SECOND, f"{FIRST} runs again when told", status)
        upgrade(updating, "/run/release", "--retry")
        updating.runs(machine, SECOND)
        plain.serves(stage, machine, "served")
        machine.power_cut()
    labels = [part.label for part in gpt.read(stage.directory / updating.disk)]
    expect(labels[1:5] == [f"vallum_{FIRST}"] * 2 + [f"vallum_{SECOND}"] * 2, "each slot carries its version", labels)
    start = gpt.read(stage.directory / updating.disk)[0].start
    listed = stage.tools.run("mdir", "-i", f"/build/{updating.disk}@@{start}", "-b", "::/EFI/Linux").split()
    expect(f"::/EFI/Linux/vallum_{SECOND}.efi" in listed, "the new boot file has lost its counter", listed)


def upgrade(updating: Updating, source: str, *more: str) -> None:
    said = updating.remote.run("image", "upgrade", "--source", source, "--reboot", *more, seconds=UPGRADE_SECONDS_MAX)
    say.note(f"upgrade from {source}: {said.strip().splitlines()[-1] if said.strip() else 'said nothing'}")
