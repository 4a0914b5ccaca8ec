"""The all-in-one boot file serves without the image's disk: started by QEMU as a kernel, and by firmware from a stick."""

import shutil

import disks
import plain
import screen
from builder import say
from stage import BUDGET, Stage, expect

MEMORY_SECONDS_MAX = 90
POWER_DOWN_SECONDS_MAX = 120
PROGRAM = "all-in-one.efi"


def run(stage: Stage) -> None:
    shutil.copyfile(stage.output("vallum-*.all-in-one.efi"), stage.directory / PROGRAM)
    for name in ("as a kernel", "from a stick"):
        with stage.bare_machine(name) as machine:
            machine.credential("vallum.yaml", plain.configuration(stage, name))
            if name == "as a kernel":
                machine.kernel = PROGRAM
            else:
                machine.disks.append(disks.bootable(stage.tools, "stick", stage.directory / PROGRAM))
            machine.start()
            plain.serves(stage, machine, name)
            picture = plain.waits(machine, "the console", lambda: screen.last(machine.console()).get("health") == "RUNNING" and screen.last(machine.console()), MEMORY_SECONDS_MAX)
            expect("slot" not in picture["Vallum"], "the console names no slot", picture)
            used = machine.memory_in_use(MEMORY_SECONDS_MAX)
            say.note(f"{say.size(used)} of memory in use, the root among them (the disk's budget is {say.size(BUDGET['memory']['idle_max'])})")
            machine.power_down(POWER_DOWN_SECONDS_MAX)
            expect("reboot: Power down" in machine.console(), f"{name}: power-down is clean", machine.console()[-600:])
