"""A release that was tampered with, is not signed, is signed by a stranger, or is not whole is refused, and nothing on the disk changes."""

import plain
from builder import say
from checks import gpt
from pathlib import Path

from releases import FIRST, SECOND
from stage import Stage, expect
from updating import Updating

MANIFEST, SIGNATURE = "vallum-update.json", "vallum-update.json.sig"
UPGRADE_SECONDS_MAX = 600


def run(stage: Stage) -> None:
    updating = Updating(stage)
    folder = stage.directory / "published"
    folder.mkdir()
    url = updating.releases.serve(folder)
    with updating.machine("is offered bad releases", "unmoved") as machine:
        machine.start()
        plain.serves(stage, machine, "unmoved")
        updating.runs(machine, FIRST)
        before = gpt.read(stage.directory / updating.disk)
        for spoil in (manifest_changed, signature_missing, signed_by_a_stranger, root_flipped, root_short, boot_file_missing):
            release = updating.releases.copy(SECOND, f"published/{spoil.__name__}")
            spoil(updating, release)
            refused(updating, f"{url}/{spoil.__name__}")
        refused(updating, f"{url}/nowhere")
        refused(updating, "http://10.0.2.2:1/clear-text")
        status = updating.status()
        expect(status["next"] == FIRST and status["other"]["version"] is None, "the machine still starts what it did", status)
        expect(gpt.read(stage.directory / updating.disk) == before, "the partition table is untouched")
        expect(plain.says(stage) == "unmoved", "and it serves all the while")


def refused(updating: Updating, source: str) -> None:
    try:
        said = updating.remote.run("image", "upgrade", "--source", source, seconds=UPGRADE_SECONDS_MAX)
    except say.Failure as failure:
        say.note(f"ok: {source.rsplit('/', 1)[1]}: {str(failure).splitlines()[-1]}")
    else:
        raise say.Failure(f"{source} was taken: {said}")


def manifest_changed(_: Updating, release: Path) -> None:
    text = (release / MANIFEST).read_text()
    (release / MANIFEST).write_text(text.replace(SECOND, "1.9.0"))


def signature_missing(_: Updating, release: Path) -> None:
    (release / SIGNATURE).unlink()


def signed_by_a_stranger(updating: Updating, release: Path) -> None:
    stranger = updating.stage.directory / "stranger"
    updating.releases.sign("keys", stranger)
    updating.releases.sign("release", stranger / "update.key", updating.releases.folder / SECOND, "--to", release)


def root_flipped(_: Updating, release: Path) -> None:
    (root,) = release.glob("*.root.erofs")
    data = bytearray(root.read_bytes())
    data[len(data) // 2] ^= 1
    root.write_bytes(data)


def root_short(_: Updating, release: Path) -> None:
    (root,) = release.glob("*.root.erofs")
    with root.open("r+b") as file:
        file.truncate(root.stat().st_size // 2)


def boot_file_missing(_: Updating, release: Path) -> None:
    (boot,) = release.glob("*.efi")
    boot.unlink()
