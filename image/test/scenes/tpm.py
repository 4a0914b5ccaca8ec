"""Where there is a TPM, the data partition is encrypted by it on the first boot, and unlocked on the next; the last good configuration on it is sealed by the machine's key."""

import base64

import plain
from checks import gpt
from stage import BUDGET, Stage, expect
from vm import Machine

SETTLE_SECONDS = 120
LABEL = "vallum-data"
LUKS = b"LUKS\xba\xbe"
KEY, OTHER_KEY = (base64.b64encode(bytes([byte]) * 32) for byte in (1, 2))
BROKEN = "routes: [\n"


def run(stage: Stage) -> None:
    disk = stage.disk()
    with machine(stage, "first boot with a TPM", disk, KEY, plain.configuration(stage, "first")) as first:
        plain.serves(stage, first, "first")
        first.power_down(SETTLE_SECONDS)
    found = [part for part in gpt.read(stage.directory / disk) if part.label == LABEL]
    expect(len(found) == 1, "there is one data partition", found)
    expect(found[0].read(stage.directory / disk, len(LUKS)) == LUKS, "it is encrypted (LUKS)")
    # What serves now can only be from the data partition.
    with machine(stage, "second boot with the TPM", disk, KEY, BROKEN) as second:
        plain.serves(stage, second, "first")
        second.power_down(SETTLE_SECONDS)
    with machine(stage, "another machine key", disk, OTHER_KEY, BROKEN) as third:
        said = "was not sealed by this machine"
        third.wait("the console refuses the last good one", lambda: said in third.console(), BUDGET["time"]["boot_max"])
        expect(plain.says(stage) is None, "with another machine key the last good configuration is not served")
        third.power_cut()


def machine(stage: Stage, name: str, disk: str, key: bytes, configuration: str) -> Machine:
    """A started machine with the TPM."""
    made = stage.bare_machine(name)
    made.disks.append(disk)
    made.has_tpm = True
    made.credential("vallum.machine_key", key)
    made.credential("vallum.yaml", configuration)
    return made.start()
