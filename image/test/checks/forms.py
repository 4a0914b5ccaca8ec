"""The disk in its other forms: each gives back the very bytes of the raw one."""

import hashlib
import struct
import tarfile
import xml.etree.ElementTree

from builder import say

from .shipped import Shipped

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
# A fixed VHD is the disk and this much.
VHD_FOOTER = 512


def images(shipped: Shipped) -> str:
    """qcow2 and vmdk are read by QEMU as the raw disk's bytes."""
    for kind in ("qcow2", "vmdk"):
        copied = shipped.directory / shipped.file(kind).name
        copied.write_bytes(shipped.file(kind).read_bytes())
        shipped.tools.run("qemu-img", "compare", "-f", "raw", "-F", kind, f"/build/{shipped.raw.name}", f"/build/{copied.name}")
    return "qcow2, vmdk"


def vhd(shipped: Shipped) -> str:
    """The fixed VHD is the raw disk and a footer with a right checksum and the right size."""
    disk = shipped.unpack("vhd.xz")
    size = shipped.raw.stat().st_size
    if disk.stat().st_size != size + VHD_FOOTER or size % (1 << 20):
        raise say.Failure(f"the VHD has {disk.stat().st_size} bytes, the disk {size}: expected {VHD_FOOTER} more, and whole MiB")
    with disk.open("rb") as left, shipped.raw.open("rb") as right:
        while block := right.read(1 << 20):
            if left.read(len(block)) != block:
                raise say.Failure("the VHD has other bytes than the disk")
        footer = left.read()
    (current,), (checksum,) = struct.unpack_from(">Q", footer, 48), struct.unpack_from(">I", footer, 64)
    reckoned = ~sum(footer[:64] + footer[68:]) & 0xFFFFFFFF
    if footer[:8] != b"conectix" or current != size or checksum != reckoned:
        raise say.Failure(f"the VHD's footer says {current} bytes and checksum {checksum:#x}; expected {size} and {reckoned:#x}")
    return f"{say.size(size)} and a footer"


def ova(shipped: Shipped) -> str:
    """Descriptor first, then manifest, then the disk (the order that the format demands); names, sizes and checksums agree."""
    with tarfile.open(shipped.file("ova")) as archive:
        names = archive.getnames()
        parts = {name: archive.extractfile(name).read() for name in names}
    if names != [f"{shipped.name}.ovf", f"{shipped.name}.mf", f"{shipped.name}.vmdk"]:
        raise say.Failure(f"the OVA holds {names}")
    descriptor, manifest, disk = (parts[name] for name in names)
    wanted = "".join(f"SHA256({name})= {hashlib.sha256(parts[name]).hexdigest()}\n" for name in (names[0], names[2]))
    if manifest.decode() != wanted:
        raise say.Failure(f"the OVA's manifest says {manifest.decode()!r}, its parts {wanted!r}")
    if disk != shipped.file("vmdk").read_bytes():
        raise say.Failure("the OVA's disk is not the published vmdk")
    tree = xml.etree.ElementTree.fromstring(descriptor)
    file, volume = tree.find(f".//{OVF}File"), tree.find(f".//{OVF}Disk")
    seen = (file.get(f"{OVF}href"), file.get(f"{OVF}size"), volume.get(f"{OVF}fileRef"), volume.get(f"{OVF}capacity"))
    expected = (names[2], str(len(disk)), file.get(f"{OVF}id"), str(shipped.raw.stat().st_size))
    if seen != expected:
        raise say.Failure(f"the descriptor says {seen}, expected {expected}")
    return " ".join(names)
