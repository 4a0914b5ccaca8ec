"""Small disks for a machine, made in the directory that the tools see as /build. Each function returns the disk's file name."""

import shutil
from pathlib import Path

from builder.tools import Tools

VFAT_BYTES = 4 << 20
# FAT32, as firmware wants it: it needs that many clusters.
ESP_BYTES = 128 << 20
EFI_PROGRAM = "BOOTX64.EFI"


def vfat(tools: Tools, name: str, label: str, files: dict[str, bytes], length: int = VFAT_BYTES) -> str:
    """A disk without partitions, with `files` in its root folder."""
    image = tools.work / f"{name}.img"
    _empty(image, length)
    tools.run("mkfs.vfat", "-n", label, f"/build/{image.name}")
    for file in _folder(tools, name, files):
        tools.run("mcopy", "-i", f"/build/{image.name}", f"/build/{name}/{file}", f"::{file}")
    return image.name


def iso(tools: Tools, name: str, label: str, files: dict[str, bytes]) -> str:
    """An ISO 9660 image with Rock Ridge and Joliet names, as cloud tools make them."""
    _folder(tools, name, files)
    tools.run("xorriso", "-as", "mkisofs", "-quiet", "-V", label, "-J", "-r", "-o", f"/build/{name}.iso", f"/build/{name}")
    return f"{name}.iso"


def bootable(tools: Tools, name: str, program: Path) -> str:
    """A disk without partitions from which firmware starts an EFI program."""
    image = tools.work / f"{name}.img"
    _empty(image, ESP_BYTES)
    shutil.copyfile(program, tools.work / EFI_PROGRAM)
    tools.run("mkfs.vfat", "-F", "32", f"/build/{image.name}")
    tools.run("mmd", "-i", f"/build/{image.name}", "::EFI", "::EFI/BOOT")
    tools.run("mcopy", "-i", f"/build/{image.name}", f"/build/{EFI_PROGRAM}", f"::EFI/BOOT/{EFI_PROGRAM}")
    return image.name


def _empty(image: Path, length: int) -> None:
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(length)


def _folder(tools: Tools, name: str, files: dict[str, bytes]) -> list[str]:
    """Writes `files` into a folder `name`; returns their names."""
    folder: Path = tools.work / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file, data in files.items():
        (folder / file).write_bytes(data)
    return list(files)
