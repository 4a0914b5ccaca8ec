"""The bill of materials names every file of the image and the package that it is from."""

import hashlib

from builder import say

from .shipped import Shipped

PREFIX = {"root": "./root", "initrd": "./initrd"}


def files(shipped: Shipped) -> str:
    """Every file of the root and of the first root is in the bill with its checksum, so are kernel and boot loader, and nothing else is."""
    named = {file["fileName"]: _sha256(file) for file in shipped.bill["files"]}
    there = {}
    for kind, tree in (("root", shipped.root), ("initrd", shipped.initrd)):
        there |= {PREFIX[kind] + path: hashlib.sha256(entry.data).hexdigest() for path, entry in tree.items() if entry.is_file}
    there["./boot/vmlinuz"] = hashlib.sha256(shipped.boot_file[".linux"]).hexdigest()
    shipped.tools.run("mcopy", "-n", "-i", f"/build/{shipped.raw.name}@@{shipped.partitions[0].start}", "::/EFI/BOOT/BOOTX64.EFI", "/build/loader.efi")
    there["./boot/BOOTX64.EFI"] = hashlib.sha256((shipped.directory / "loader.efi").read_bytes()).hexdigest()
    for name in sorted(there.keys() | named.keys()):
        if there.get(name) != named.get(name):
            raise say.Failure(f"{name}: the image has {there.get(name)}, the bill says {named.get(name)}")
    return f"{len(named)} files"


def packages(shipped: Shipped) -> str:
    """Every package is identified by version and purl, those from Debian and crates.io by checksum; every relation has two ends."""
    identifiers = {"SPDXRef-DOCUMENT"} | {part["SPDXID"] for part in shipped.bill["packages"] + shipped.bill["files"]}
    if len(identifiers) != 1 + len(shipped.bill["packages"]) + len(shipped.bill["files"]):
        raise say.Failure("two parts of the bill have one SPDXID")
    for relation in shipped.bill["relationships"]:
        for end in (relation["spdxElementId"], relation["relatedSpdxElement"]):
            if end not in identifiers:
                raise say.Failure(f"the bill relates {end}, which it does not have")
    for part in shipped.bill["packages"][1:]:
        if not part.get("versionInfo") or not part.get("externalRefs") or not part.get("checksums"):
            raise say.Failure(f"{part['name']} lacks version, purl or checksum")
    debian = sum(part["SPDXID"].startswith("SPDXRef-deb-") for part in shipped.bill["packages"])
    return f"{debian} Debian packages, {len(shipped.bill['packages']) - 1 - debian} crates"


def _sha256(file: dict) -> str:
    return next(sum["checksumValue"] for sum in file["checksums"] if sum["algorithm"] == "SHA256")
