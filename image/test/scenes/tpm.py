"""Where there is a TPM, the data partition is encrypted by it on the first boot, and unlocked on the next; what it held is there."""

import plain
from checks import gpt
from stage import Stage, expect

SETTLE_SECONDS = 120
LABEL = "vallum-data"
LUKS = b"LUKS\xba\xbe"


def run(stage: Stage) -> None:
    disk = stage.disk()
    with stage.bare_machine("first boot with a TPM") as machine:
        machine.disks.append(disk)
        machine.has_tpm = True
        machine.credential("vallum.yaml", plain.configuration(stage, "first"))
        machine.start()
        plain.serves(stage, machine, "first")
        machine.power_down(SETTLE_SECONDS)
    found = [part for part in gpt.read(stage.directory / disk) if part.label == LABEL]
    expect(len(found) == 1, "there is one data partition", found)
    expect(found[0].read(stage.directory / disk, len(LUKS)) == LUKS, "it is encrypted (LUKS)")
    with stage.bare_machine("second boot with the TPM") as machine:
        machine.disks.append(disk)
        machine.has_tpm = True
        # What serves now can only be from the data partition.
        machine.credential("vallum.yaml", "routes: [\n")
        machine.start()
        plain.serves(stage, machine, "first")
        machine.power_down(SETTLE_SECONDS)
