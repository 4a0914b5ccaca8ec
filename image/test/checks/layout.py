"""The disk: partitions, verity, boot files."""

from builder import say
from builder.disk import uuid

from .shipped import Shipped

# In the table's order. The second slot is there and empty.
PARTITIONS = ["esp", "root-x86-64", "root-x86-64-verity", "root-x86-64", "root-x86-64-verity"]
EMPTY = "_empty"
# Words that would weaken what the boot file promises; and one that must be there.
WEAK = ("init=", "rd.break", "debug", "single", "emergency", "rescue", "systemd.unit=", "systemd.debug", "rootflags=rw", "systemd.verity=0")
CORRUPTION = "systemd.verity_root_options=panic-on-corruption"
LOADER = {"timeout 0", "editor no", "auto-entries no", "auto-firmware no"}


def table(shipped: Shipped) -> str:
    """Both copies of the partition table are valid; slot A carries the version and the halves of the root hash, slot B is empty."""
    found = shipped.partitions
    if [part.kind for part in found] != PARTITIONS:
        raise say.Failure(f"expected the partitions {PARTITIONS}, found {[part.kind for part in found]}")
    _, root, verity, *other = found
    half = len(shipped.root_hash) // 2
    wanted = {"root": uuid(shipped.root_hash[:half]), "verity": uuid(shipped.root_hash[half:])}
    if (root.uuid, verity.uuid) != (wanted["root"], wanted["verity"]):
        raise say.Failure(f"slot A has the UUIDs {root.uuid} and {verity.uuid}, the root hash says {wanted}")
    if {root.label, verity.label} != {f"vallum_{shipped.version}"} or {part.label for part in other} != {EMPTY}:
        raise say.Failure(f"labels are {[part.label for part in found]}")
    if any(part.read(shipped.raw).strip(b"\0") for part in other):
        raise say.Failure("slot B is not empty")
    return ", ".join(f"{part.label} {say.size(part.length)}" for part in found)


def verity(shipped: Shipped) -> str:
    """The root partition is the published root, and every block of it is what the boot file's root hash vouches for."""
    _, root, tree, *_ = shipped.partitions
    for part, ending in ((root, "root.erofs"), (tree, "root.verity")):
        published = shipped.file(ending).read_bytes()
        if part.read(shipped.raw, len(published)) != published:
            raise say.Failure(f"partition {part.label} ({part.kind}) does not begin with {shipped.file(ending).name}")
        (shipped.directory / f"slot.{ending}").write_bytes(published)
    shipped.tools.run("veritysetup", "verify", "/build/slot.root.erofs", "/build/slot.root.verity", shipped.root_hash)
    return shipped.root_hash


def command_lines(shipped: Shipped) -> str:
    """What the kernel is told lets nobody in and does not live with a corrupt root."""
    whole = shipped.all_in_one[".cmdline"].rstrip(b"\0\n").decode()
    for line in (shipped.command_line, whole):
        if weak := [word for word in line.split() if word.startswith(WEAK)]:
            raise say.Failure(f"the command line says {' '.join(weak)}: {line}")
    if CORRUPTION not in shipped.command_line.split():
        raise say.Failure(f"{CORRUPTION} is missing in: {shipped.command_line}")
    if "roothash=" in whole:
        raise say.Failure(f"the all-in-one boot file asks for a root on a disk: {whole}")
    return shipped.command_line


def esp(shipped: Shipped) -> str:
    """The ESP holds systemd-boot, its settings and the published boot file, and nothing else."""
    start = shipped.partitions[0].start
    image = f"/build/{shipped.raw.name}@@{start}"
    listed = [line.removeprefix("::/") for line in shipped.tools.run("mdir", "-i", image, "-/", "-b", "::").splitlines() if not line.endswith("/")]
    boot_file = f"EFI/Linux/vallum_{shipped.version}.efi"
    if sorted(listed) != sorted(["EFI/BOOT/BOOTX64.EFI", boot_file, "loader/loader.conf"]):
        raise say.Failure(f"the ESP holds {listed}")
    for name, into in ((boot_file, "esp.efi"), ("loader/loader.conf", "esp.conf"), ("EFI/BOOT/BOOTX64.EFI", "esp.boot")):
        shipped.tools.run("mcopy", "-n", "-i", image, f"::/{name}", f"/build/{into}")
    if (shipped.directory / "esp.efi").read_bytes() != shipped.file("efi").read_bytes():
        raise say.Failure(f"{boot_file} in the ESP is not {shipped.file('efi').name}")
    if set((shipped.directory / "esp.conf").read_text().split("\n")) - {""} != LOADER:
        raise say.Failure(f"loader.conf says {(shipped.directory / 'esp.conf').read_text()!r}")
    if b"systemd-boot" not in (shipped.directory / "esp.boot").read_bytes():
        raise say.Failure("BOOTX64.EFI is not systemd-boot")
    return " ".join(listed)
