"""With the boot keys enrolled, firmware starts the signed image and takes no command line from outside; an unsigned loader or boot file is refused."""

import os
import shutil
import uuid
from pathlib import Path

import plain
import stage as stages
from builder import say
from checks import gpt
from remote import program
from stage import DISK_BYTES, Stage, expect
from vm import VARIABLES

REFUSED_SECONDS_MAX = 120
REFUSALS = ("Access Denied", "Security Violation", "Secure Boot violation")
# If it were taken, nothing would ever serve.
COMMAND_LINE = "systemd.mask=vallum.service"


def run(stage: Stage) -> None:
    build(stage)
    enrol(stage)
    signed, unsigned = stage.directory / "signed.raw", stage.directory / stage.disk()
    with stage.bare_machine("signed") as machine:
        machine.checks_signatures = True
        machine.command_line = COMMAND_LINE
        machine.disks.append(signed.name)
        machine.credential("vallum.yaml", plain.configuration(stage, "signed"))
        machine.start()
        plain.serves(stage, machine, "signed")
        machine.power_cut()
    refused(stage, "an unsigned loader", unsigned)
    # The signed loader, and a boot file that nobody signed.
    swap_boot_file(stage, signed, unsigned)
    refused(stage, "an unsigned boot file", signed)


def build(stage: Stage) -> None:
    """An image signed by a key of the scene's own."""
    key, certificate = stage.directory / "boot.key", stage.directory / "boot.crt"
    words = ["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Boot test", "-keyout", key, "-out", certificate]
    say.run(words, stage.log)
    work = stage.directory / "second/work"
    work.mkdir(parents=True)
    # A scene has no network; packages and tools are those of the first build.
    shutil.copytree(stage.tools.root.parent / "apt", work / "apt")
    out = stage.directory / "second/out"
    stages.build(
        "--drift", "--offline", "--formats", "raw", "--binary", program(stage), "--work", work, "--out", out,
        "--secure-boot-key", key, "--secure-boot-certificate", certificate,
    )  # fmt: skip
    raw = next(out.glob("*.raw")).rename(stage.directory / "signed.raw")
    os.truncate(raw, DISK_BYTES)
    left = [path for path in work.rglob("secure-boot.*")]
    expect(not left, "the build leaves no copy of the key", left)


def enrol(stage: Stage) -> None:
    """Firmware variables with the scene's key as platform key, exchange key and the only one that may sign."""
    shutil.copyfile(stage.tools.root / VARIABLES, stage.directory / "empty.fd")
    owner = str(uuid.uuid4())
    words = [word for option in ("--set-pk", "--add-kek", "--add-db") for word in (option, owner, "/build/boot.crt")]
    stage.tools.run("virt-fw-vars", "--input", "/build/empty.fd", "--output", "/build/vars.fd", *words, "--secure-boot")


def refused(stage: Stage, name: str, disk: Path) -> None:
    with stage.bare_machine(name) as machine:
        machine.checks_signatures = True
        machine.disks.append(disk.name)
        machine.credential("vallum.yaml", plain.configuration(stage, "never"))
        machine.hopeless = ()
        machine.start()
        sign = machine.wait("it is refused", lambda: next((word for word in REFUSALS if word in machine.console()), None), REFUSED_SECONDS_MAX)
        expect(plain.says(stage) is None, f"{name} is refused: {sign}")
        machine.power_cut()


def swap_boot_file(stage: Stage, into: Path, source: Path) -> None:
    """Puts the boot file of one disk's ESP in the place of the other's."""
    esp = {disk: next(part.start for part in gpt.read(disk) if part.kind == "esp") for disk in (into, source)}
    for name in stage.tools.run("mdir", "-b", "-i", f"/build/{source.name}@@{esp[source]}", "::EFI/Linux").split():
        stage.tools.run("mcopy", "-o", "-i", f"/build/{source.name}@@{esp[source]}", name, "/build/unsigned.efi")
        stage.tools.run("mcopy", "-o", "-i", f"/build/{into.name}@@{esp[into]}", "/build/unsigned.efi", name)
