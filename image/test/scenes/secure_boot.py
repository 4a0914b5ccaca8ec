"""With the boot keys enrolled, firmware starts the signed image, which takes no command line from the disk; an unsigned loader or boot file is refused."""

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
ENABLED = "UEFI Secure Boot is enabled"
# An entry that hands the boot file a command line, as somebody could write it who gets at the disk. If that were taken, nothing would serve.
ENTRY = """\
title Changed
efi /EFI/Linux/{boot_file}
options systemd.mask=vallum.service
"""
LOADER = "default changed.conf\ntimeout 0\n"


def run(stage: Stage) -> None:
    build(stage)
    enrol(stage)
    signed, unsigned = Esp(stage, "signed.raw"), Esp(stage, stage.disk())
    refused(stage, "an unsigned loader", unsigned.disk)
    # The signed loader, and a boot file that nobody signed.
    boot_file = signed.boot_file()
    signed.take(boot_file, "signed.efi")
    unsigned.take(unsigned.boot_file(), "unsigned.efi")
    signed.put("unsigned.efi", boot_file)
    refused(stage, "an unsigned boot file", signed.disk)
    signed.put("signed.efi", boot_file)
    for name, text in (("loader/loader.conf", LOADER), ("loader/entries/changed.conf", ENTRY.format(boot_file=Path(boot_file).name))):
        (stage.directory / "text").write_text(text)
        signed.put("text", f"::{name}")
    with stage.bare_machine("signed") as machine:
        machine.checks_signatures = True
        # What the machine's owner hands in by SMBIOS is believed under Secure Boot as well: here it would get in the way.
        machine.command_line = ""
        machine.disks.append(signed.disk)
        machine.credential("vallum.yaml", plain.configuration(stage, "signed"))
        machine.start()
        plain.serves(stage, machine, "signed")
        expect(ENABLED in machine.console(), "Secure Boot is on, and a command line from the disk is not taken", machine.console()[-2000:])
        machine.power_cut()


class Esp:
    """The EFI system partition of a disk in the stage's directory."""

    def __init__(self, stage: Stage, disk: str):
        start = next(part.start for part in gpt.read(stage.directory / disk) if part.kind == "esp")
        self.tools, self.disk, self.place = stage.tools, disk, f"/build/{disk}@@{start}"

    def boot_file(self) -> str:
        found = self.tools.run("mdir", "-b", "-i", self.place, "::EFI/Linux").split()
        expect(len(found) == 1, f"{self.disk} has one boot file", found)
        return found[0]

    def take(self, name: str, into: str) -> None:
        self.tools.run("mcopy", "-o", "-i", self.place, name, f"/build/{into}")

    def put(self, file: str, name: str) -> None:
        """Puts a file of the stage's directory there; makes its folder when it is missing."""
        folder = name.rsplit("/", 1)[0]
        if folder.endswith("entries"):
            self.tools.run("mmd", "-i", self.place, folder)
        self.tools.run("mcopy", "-o", "-i", self.place, f"/build/{file}", name)


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


def refused(stage: Stage, name: str, disk: str) -> None:
    with stage.bare_machine(name) as machine:
        machine.checks_signatures = True
        machine.disks.append(disk)
        machine.credential("vallum.yaml", plain.configuration(stage, "never"))
        machine.hopeless = ()
        machine.start()
        sign = machine.wait("it is refused", lambda: next((word for word in REFUSALS if word in machine.console()), None), REFUSED_SECONDS_MAX)
        expect(plain.says(stage) is None, f"{name} is refused: {sign}")
        machine.power_cut()
