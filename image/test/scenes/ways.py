"""A whole configuration comes by each way alone: fw_cfg, an ISO disk, a vfat disk; the address by DHCP, by `ip=`, by a credential."""

import disks
import plain
from stage import FORWARDS, Stage

# In the emulated network (10.0.2.0/24), but not what its DHCP gives.
ADDRESS, ROUTER = "10.0.2.77", "10.0.2.2"
NETWORK = f"""\
[Match]
Type=ether

[Network]
Address={ADDRESS}/24
Gateway={ROUTER}
"""


def run(stage: Stage) -> None:
    disk = stage.disk()
    for way in (firmware_and_command_line, iso_and_credential, vfat):
        word = way.__name__
        with stage.bare_machine(word) as machine:
            # What the way before has left on the data partition must not be what serves: the word is another one.
            machine.disks.append(disk)
            way(stage, machine, plain.configuration(stage, word))
            machine.start()
            plain.serves(stage, machine, word)
            machine.power_cut()


def firmware_and_command_line(stage: Stage, machine, text: str) -> None:
    machine.firmware_credential("vallum.yaml", text)
    machine.command_line += f" ip={ADDRESS}::{ROUTER}:255.255.255.0:::off"
    machine.forwards = [(here, there, ADDRESS) for here, there, *_ in FORWARDS]


def iso_and_credential(stage: Stage, machine, text: str) -> None:
    machine.disks.append(disks.iso(stage.tools, "config", "VALLUMCONF", {"vallum.yaml": text.encode()}))
    machine.credential("network.network.10-static", NETWORK)
    machine.forwards = [(here, there, ADDRESS) for here, there, *_ in FORWARDS]


def vfat(stage: Stage, machine, text: str) -> None:
    machine.disks.append(disks.vfat(stage.tools, "config", "VALLUMCONF", {"vallum.yaml": text.encode()}))
