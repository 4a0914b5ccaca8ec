"""From trees to a disk: erofs, dm-verity, the unified kernel image, the partition table."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import cpio, kmod, say
from .tools import Tools

# Everything that is made up by chance elsewhere (UUIDs of partitions and file systems, salts) comes from these.
SEED = "5f2f6a0e-7a55-4c1c-9d3b-56414c4c554d"
VERITY_SALT = "76616c6c756d" * 5 + "7661"
DISK_SIZE = "512M"
# systemd-boot, in the packages.
LOADER = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
# What needs partitions of the disk: the all-in-one image, which has none, would wait for them.
UNITS = frozenset(
    "efi.mount var.mount vallum-data-check.service vallum-keeper.socket vallum-keeper@.service vallum-look.service "
    "vallum-update.service vallum-update.timer".split()
)
# What the kernel is told, besides the root's hash: panics and hangs end in a new start, a partition table that a power
# cut damaged is taken from its spare copy (gpt), the console is on both ways out, and a block of the root that is not what
# was signed stops the machine rather than the request.
COMMAND_LINE = "panic=10 gpt console=tty0 console=ttyS0,115200 systemd.machine_id=firmware loglevel=4 systemd.show_status=no TERM=dumb SYSTEMD_COLORS=0"
VERITY_OPTIONS = "systemd.verity_root_options=panic-on-corruption rootfstype=erofs"


@dataclass
class Signing:
    """The key pair that Secure Boot firmware trusts; nothing is signed without it."""

    key: Path
    certificate: Path


class Disk:
    """Makes the parts in `tools.work`, which the tools see as /build."""

    def __init__(self, tools: Tools, packages: Path, version: str, signing: Signing | None):
        self.tools, self.packages, self.version, self.signing = tools, packages, version, signing
        self.work = tools.work

    def root(self, tree: Path) -> str:
        """The root's file system and its verity tree; returns the root hash."""
        image = self.work / "root.erofs"
        image.unlink(missing_ok=True)
        self.tools.run(
            "mkfs.erofs", "--quiet", "-zzstd,level=9", "-C65536", "-Eztailpacking", f"-T{self.tools.epoch}",
            "--all-root", f"-U{SEED}", "/build/root.erofs", f"/build/{tree.name}",
        )  # fmt: skip
        (self.work / "root.verity").unlink(missing_ok=True)
        said = self.tools.run(
            "veritysetup", "format", "/build/root.erofs", "/build/root.verity", f"--salt={VERITY_SALT}", f"--uuid={SEED}"
        )
        found = [line.split()[-1] for line in said.splitlines() if line.startswith("Root hash:")]
        if len(found) != 1:
            raise say.Failure(f"veritysetup printed no root hash but: {said}")
        return found[0]

    def initrd(self, tree: Path, name: str, level: int, without: frozenset[str] = frozenset()) -> Path:
        """A tree as a compressed first root; files named in `without` stay out."""
        plain, packed = self.work / f"{name}.cpio", self.work / f"{name}.cpio.zst"
        cpio.write(tree, plain, self.tools.epoch, without)
        self.tools.run("zstd", "-q", "-f", f"-{level}", "-T1", f"/build/{plain.name}", "-o", f"/build/{packed.name}")
        return packed

    def kernel_image(self, name: str, initrd: Path, command_line: str, os_release: Path) -> Path:
        """Kernel, first root and command line in one EFI program, signed when there is a key."""
        kernel = kmod.version(self.packages)
        shutil.copyfile(self.packages / f"boot/vmlinuz-{kernel}", self.work / "vmlinuz")
        shutil.copyfile(os_release, self.work / "os-release")
        image = self.work / name
        words = [
            "python3", "/usr/bin/ukify", "build", "--linux=/build/vmlinuz", f"--initrd=/build/{initrd.name}", f"--cmdline={command_line}",
            "--os-release=@/build/os-release", f"--uname={kernel}", f"--output=/build/{name}",
        ]  # fmt: skip
        if self.signing:
            words += ["--secureboot-private-key=/build/secure-boot.key", "--secureboot-certificate=/build/secure-boot.crt"]
        self.tools.run(*words)
        return image

    def assemble(self, definitions: Path, kernel_image: Path, root_hash: str) -> Path:
        """The whole disk, ready to start."""
        self._fill_esp(kernel_image)
        filled = self.work / "repart"
        shutil.rmtree(filled, ignore_errors=True)
        filled.mkdir()
        values = {"VERSION": self.version, "ROOT_UUID": uuid(root_hash[:32]), "VERITY_UUID": uuid(root_hash[32:])}
        for source in sorted(definitions.glob("*.conf")):
            text = source.read_text()
            for name, value in values.items():
                text = text.replace(f"@{name}@", value)
            (filled / source.name).write_text(text)
        raw = self.work / "disk.raw"
        raw.unlink(missing_ok=True)
        # Firmware reads no file system whose sectors are not those of the disk.
        self.tools.run(
            "systemd-repart", "--offline=yes", "--empty=create", f"--size={DISK_SIZE}", f"--seed={SEED}", "--sector-size=512",
            "--definitions=/build/repart", "--dry-run=no", "/build/disk.raw",
        )  # fmt: skip
        return raw

    def _fill_esp(self, kernel_image: Path) -> None:
        esp = self.work / "esp"
        shutil.rmtree(esp, ignore_errors=True)
        for folder in ("EFI/BOOT", "EFI/Linux", "loader"):
            (esp / folder).mkdir(parents=True)
        shutil.copyfile(self.packages / LOADER[1:], self.work / "boot.efi")
        if self.signing:
            self.tools.run(
                "sbsign", "--key", "/build/secure-boot.key", "--cert", "/build/secure-boot.crt", "--output", "/build/boot.efi",
                "/build/boot.efi",
            )  # fmt: skip
        shutil.copyfile(self.work / "boot.efi", esp / "EFI/BOOT/BOOTX64.EFI")
        shutil.copyfile(kernel_image, esp / f"EFI/Linux/vallum_{self.version}.efi")
        # No menu and no editor: nobody changes the command line at the console.
        (esp / "loader/loader.conf").write_text("timeout 0\neditor no\nauto-entries no\nauto-firmware no\n")
        # repart copies times into the file system.
        for place in [esp, *esp.rglob("*")]:
            os.utime(place, (self.tools.epoch, self.tools.epoch))


def uuid(digits: str) -> str:
    """32 hexadecimal digits as a UUID: partitions of a root are found by the halves of its hash."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
