"""NoCloud's disc in a CD drive configures the machine; broken config disks give way to the last good configuration, and without one to the set-up page."""

import shutil

import disks
import plain
import screen
from stage import BUDGET, Stage, expect
from vm import Machine

IN_FORCE = "vallum_config_last_good_in_force"
SETTLE_SECONDS = 90
WORD = "from the cloud's disc"
# More than a configuration may have.
HUGE_BYTES = 17 << 20
# Of an ISO, so much that its label is there and its root folder is not.
TORN_BYTES = 40 << 10


def run(stage: Stage) -> None:
    disk = stage.disk()
    with machine_with(stage, "NoCloud", disk) as machine:
        files = {"user-data": plain.configuration(stage, WORD).encode(), "meta-data": b"instance-id: one\n", "network-config": b"version: 2\n"}
        machine.discs.append(disks.iso(stage.tools, "cloud", "cidata", files))
        machine.start()
        plain.serves(stage, machine, WORD)
        console = machine.console()
        expect("config disk: network-config is not read" in console, "the console says what is not read")
        picture = plain.waits(machine, "the console's picture", lambda: running(machine), SETTLE_SECONDS)
        expect(picture["config"].startswith("/run/vallum-config/user-data"), "the console says where the configuration is from", picture)
        machine.power_down(SETTLE_SECONDS)
    with machine_with(stage, "doubled and huge", disk) as machine:
        doubled_and_huge(stage, machine)
        machine.start()
        plain.serves(stage, machine, WORD)
        seen = plain.waits(machine, "the metrics answer", lambda: str(plain.metric(IN_FORCE)).replace("None", ""), SETTLE_SECONDS)
        expect(float(seen) == 1, f"{IN_FORCE} is 1", seen)
        says(machine, "2 disks carry the label VALLUMCONF, none is read", "user-data: larger than the limit of", "the LAST GOOD configuration is served instead")
        machine.power_cut()
    set_up(stage)


def set_up(stage: Stage) -> None:
    """Without a last good configuration (the all-in-one image keeps none) the page is offered, and the reason said."""
    shutil.copyfile(stage.output("vallum-*.all-in-one.efi"), stage.directory / "all-in-one.efi")
    with stage.bare_machine("strange and torn") as machine:
        machine.kernel = "all-in-one.efi"
        strange_and_torn(stage, machine)
        machine.start()
        picture = machine.wait("the console offers the set-up", lambda: waiting(machine), BUDGET["time"]["boot_max"])
        expect(picture["set-up"] == "open https://10.0.2.15:443/", "the console names the page", picture)
        expect(len(picture["token"]) > 8 and ":" in picture["SHA-256"], "with token and fingerprint", picture)
        expect("found a symbolic link" in picture["error"], "and says what is wrong with the disk", picture)
        says(machine, "vallum.yaml: expected a regular file, found a symbolic link", "vallum.ca: expected a regular file, found a folder", "(labelled cidata, iso9660): ")


def says(machine: Machine, *words: str) -> None:
    for said in words:
        expect(said in machine.console(), f"the console says {said!r}", machine.console()[-3000:])


def machine_with(stage: Stage, name: str, disk: str) -> Machine:
    machine = stage.bare_machine(name)
    machine.disks.append(disk)
    return machine


def running(machine: Machine) -> dict[str, str] | None:
    picture = screen.last(machine.console())
    return picture if picture.get("health") == "RUNNING" else None


def waiting(machine: Machine) -> dict[str, str] | None:
    picture = screen.last(machine.console())
    return picture if "10.0.2.15" in picture.get("set-up", "") else None


def doubled_and_huge(stage: Stage, machine: Machine) -> None:
    """Two disks with one label; NoCloud's with more than a configuration may have."""
    text = plain.configuration(stage, "never").encode()
    machine.disks += [disks.vfat(stage.tools, name, "VALLUMCONF", {"vallum.yaml": text}) for name in ("one", "other")]
    machine.disks.append(disks.vfat(stage.tools, "huge", "CIDATA", {"user-data": text + b"#" * (HUGE_BYTES - len(text))}, 2 * HUGE_BYTES))


def strange_and_torn(stage: Stage, machine: Machine) -> None:
    """A link where the configuration should be, a folder where a credential should be; an ISO that ends too early."""
    folder = stage.directory / "strange"
    (folder / "vallum.ca").mkdir(parents=True)
    (folder / "vallum.yaml").symlink_to("/etc/passwd")
    stage.tools.run("xorriso", "-as", "mkisofs", "-quiet", "-V", "VALLUMCONF", "-R", "-o", "/build/strange.iso", "/build/strange")
    torn = disks.iso(stage.tools, "torn", "cidata", {"user-data": plain.configuration(stage, "never").encode()})
    with (stage.directory / torn).open("r+b") as file:
        file.truncate(TORN_BYTES)
    machine.disks += ["strange.iso", torn]
