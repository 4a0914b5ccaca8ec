"""The disk in the forms that hypervisors and clouds take."""

import hashlib
import io
import struct
import tarfile
from pathlib import Path

from . import apt, say
from .tools import Tools

SECTOR = 512
MIB = 1 << 20
# VHD counts its seconds from 2000-01-01.
VHD_EPOCH = 946684800


def compress(tools: Tools, source: Path) -> Path:
    """`source` as .xz beside it (blocks of a fixed size, so that the number of CPUs changes nothing; fast, since the parts are compressed already)."""
    tools.run("xz", "--keep", "--force", "-1", "-T0", "--block-size=64MiB", f"/build/{source.name}")
    return source.with_name(source.name + ".xz")


def qcow2(tools: Tools, raw: Path, into: Path) -> None:
    tools.run("qemu-img", "convert", "-q", "-m1", "-c", "-O", "qcow2", f"/build/{raw.name}", f"/build/{into.name}")


def vmdk(tools: Tools, raw: Path, into: Path) -> None:
    tools.run(
        "qemu-img", "convert", "-q", "-m1", "-O", "vmdk", "-o", "subformat=streamOptimized,adapter_type=lsilogic",
        f"/build/{raw.name}", f"/build/{into.name}",
    )  # fmt: skip
    # The one thing that is made up by chance: the content's number.
    image = into.read_bytes()
    at = image.index(b"CID=", 0, 64 << 10) + 4
    into.write_bytes(image[:at] + b"76616c6c" + image[at + 8 :])


def ova(vmdk_file: Path, template: Path, into: Path, version: str, capacity: int, epoch: int) -> None:
    """A tar of the descriptor, its manifest and the disk, in the order that the format demands."""
    disk = vmdk_file.read_bytes()
    text = template.read_text()
    for name, value in {"VERSION": version, "DISK": vmdk_file.name, "DISK_BYTES": len(disk), "CAPACITY": capacity}.items():
        text = text.replace(f"@{name}@", str(value))
    descriptor, name = text.encode(), f"vallum-{version}"
    sums = ((f"{name}.ovf", descriptor), (vmdk_file.name, disk))
    manifest = "".join(f"SHA256({part})= {hashlib.sha256(data).hexdigest()}\n" for part, data in sums).encode()
    with tarfile.open(into, "w", format=tarfile.USTAR_FORMAT) as archive:
        for part, data in (sums[0], (f"{name}.mf", manifest), sums[1]):
            about = tarfile.TarInfo(part)
            about.size, about.mtime, about.mode = len(data), epoch, 0o644
            archive.addfile(about, io.BytesIO(data))


def vhd(raw: Path, into: Path, seed: str, epoch: int) -> None:
    """A fixed VHD: the disk as it is (a whole number of MiB), and a footer (the format's specification, version 1.0)."""
    size = raw.stat().st_size
    if size % MIB:
        raise say.Failure(f"a VHD must have a whole number of MiB, the disk has {size} bytes")
    cylinders, heads, sectors = geometry(size // SECTOR)
    footer = bytearray(
        struct.pack(
            ">8sIIQI4sI4sQQHBBII16sB", b"conectix", 2, 0x10000, (1 << 64) - 1, max(0, epoch - VHD_EPOCH), b"vall", 0x10000,
            b"Wi2k", size, size, cylinders, heads, sectors, 2, 0, bytes.fromhex(seed.replace("-", "")), 0,
        ).ljust(SECTOR, b"\0")
    )  # fmt: skip
    struct.pack_into(">I", footer, 64, ~sum(footer) & 0xFFFFFFFF)
    copy_sparse(raw, into)
    with into.open("r+b") as file:
        file.seek(size)
        file.write(footer)


def geometry(total: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors of a disk of `total` sectors, by the specification's own rule."""
    total = min(total, 65535 * 16 * 255)
    sectors, heads = 17, max(4, (total // 17 + 1023) // 1024)
    cylinders_heads = total // 17
    if cylinders_heads >= heads * 1024 or heads > 16:
        sectors, heads, cylinders_heads = 31, 16, total // 31
    if cylinders_heads >= heads * 1024:
        sectors, heads, cylinders_heads = 63, 16, total // 63
    return cylinders_heads // heads, heads, sectors


def copy_sparse(source: Path, into: Path) -> None:
    """Copies a file; its holes stay holes."""
    with source.open("rb") as reader, into.open("wb") as writer:
        while block := reader.read(MIB):
            if block.count(0) == len(block):
                writer.seek(len(block), io.SEEK_CUR)
            else:
                writer.write(block)
        writer.truncate(source.stat().st_size)


def tar(tree: Path, into: Path, epoch: int) -> None:
    """The root as a tar archive, for containers."""
    with tarfile.open(into, "w", format=tarfile.PAX_FORMAT) as archive:
        for place in sorted(tree.rglob("*")):
            about = archive.gettarinfo(place, arcname=str(place.relative_to(tree)))
            about.uid = about.gid = 0
            about.uname = about.gname = ""
            about.mtime, about.pax_headers = epoch, {}
            with place.open("rb") if about.isreg() else io.BytesIO() as data:
                archive.addfile(about, data)


def checksums(folder: Path) -> None:
    """SHA256SUMS over all outputs, the disk first."""
    names = sorted((path.name for path in folder.iterdir() if path.name != "SHA256SUMS"), key=lambda n: (not n.endswith("raw.xz"), n))
    (folder / "SHA256SUMS").write_text("".join(f"{apt.sha256(folder / name)}  {name}\n" for name in names))
