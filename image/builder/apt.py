"""Debian packages, fetched by apt into a directory of our own: nothing of the machine's package state is touched.

The mirrors are those of the machine's own sources; only the suite is swapped. What apt downloads is checked twice: by apt
against the signed index, and here against `packages/*.lock`.
"""

import hashlib
import os
import re
import subprocess
import tarfile
from pathlib import Path

from . import say

SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# The suites of one release, as endings of its code name.
SUITE_ENDINGS = ("", "-updates", "-security")
DOWNLOAD_TRIES = 3

CONF = """\
Dir "{dir}";
Dir::State "{dir}/state";
Dir::State::status "{dir}/state/status";
Dir::Cache "{dir}/cache";
Dir::Etc "{dir}/etc";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
"""


class Apt:
    """apt with its state in `directory`."""

    def __init__(self, directory: Path, log: Path):
        self.directory, self.log = directory, log
        self.archives = directory / "cache/archives"
        for name in ("state/lists/partial", "cache/archives/partial", "empty/partial", "etc/apt.conf.d", "etc/preferences.d"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "state/status").touch()
        (directory / "apt.conf").write_text(CONF.format(dir=directory))
        self.environment = {**os.environ, "APT_CONFIG": str(directory / "apt.conf"), "LC_ALL": "C.UTF-8"}

    def update(self) -> None:
        """Reads the indexes of the release."""
        (self.directory / "etc/sources.list").write_text("".join(f"{line}\n" for line in sources()))
        self._get("update")

    def fetch(self, names: list[str]) -> list[Path]:
        """Downloads packages with all that they depend on; returns their files, sorted."""
        # apt prints only what it does not have yet, so it is asked with an empty cache.
        empty = f"Dir::Cache::archives={self.directory}/empty/"
        wanted = self._get("-o", empty, "--print-uris", "-y", "install", *names)
        files = sorted(set(re.findall(r"^'[^']+' (\S+_\S+\.deb) \d+", wanted, re.MULTILINE)))
        if not files:
            raise say.Failure(f"apt found nothing to download for {' '.join(names)} (see {self.log})")
        self._get("-y", "--download-only", "install", *names)
        missing = [name for name in files if not (self.archives / name).is_file()]
        if missing:
            raise say.Failure(f"apt did not download {', '.join(missing)} (see {self.log})")
        return [self.archives / name for name in files]

    def _get(self, *words: str) -> str:
        command = ["apt-get", "-q", *words]
        for attempt in range(1, DOWNLOAD_TRIES + 1):
            try:
                return say.run(command, self.log, env=self.environment)
            except say.Failure:
                if attempt == DOWNLOAD_TRIES:
                    raise
                say.note(f"apt-get {words[0]} failed, once more (try {attempt} of {DOWNLOAD_TRIES})")
        raise AssertionError("unreachable")


def sources() -> list[str]:
    """The machine's own Debian mirrors with the suite swapped, one `deb` line each."""
    if not KEYRING.is_file():
        raise say.Failure(f"{KEYRING} is missing: install debian-archive-keyring")
    form = "$(ORIGIN)|$(REPO_URI)|$(CODENAME)|$(COMPONENT)"
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"], capture_output=True, text=True, check=False
    )
    lines = set()
    for line in targets.stdout.splitlines():
        origin, uri, codename, component = line.split("|")
        ending = re.sub(r"^[a-z]+", "", codename)
        if origin == "Debian" and component == "main" and ending in SUITE_ENDINGS:
            lines.add(f"deb [signed-by={KEYRING}] {uri} {SUITE}{ending} main")
    if not lines:
        raise say.Failure(
            "the machine's apt knows no Debian mirror (apt-get indextargets): run `apt-get update`, "
            "or add a Debian source to /etc/apt/sources.list.d"
        )
    return sorted(lines)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def package_of(path: Path) -> tuple[str, str]:
    """Name and version of a package's file, by its name (`name_version_arch.deb`, the colon of an epoch as %3a)."""
    name, version, _ = path.name.split("_")
    return name, version.replace("%3a", ":")


def unpack(files: list[Path], into: Path, skip: tuple[str, ...]) -> dict[str, str]:
    """Unpacks packages without running any of their scripts; returns which package each path came from.

    Paths that begin with one of `skip` stay out. `/bin`, `/sbin`, `/lib` and `/lib64` are links into `/usr`.
    """
    owners: dict[str, str] = {}
    for name in ("bin", "sbin", "lib", "lib64"):
        (into / "usr" / name).mkdir(parents=True, exist_ok=True)
        (into / name).symlink_to(f"usr/{name}")
    for file in files:
        name, _ = package_of(file)
        pipe = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(file)], stdout=subprocess.PIPE)
        with tarfile.open(fileobj=pipe.stdout, mode="r|") as archive:
            for member in archive:
                path = "/" + member.name.removeprefix("./").strip("/")
                if path.startswith(skip) or (into / path[1:]).is_symlink() and member.isdir():
                    continue
                archive.extract(member, into, filter="fully_trusted")
                if not member.isdir():
                    owners[path] = name
        if pipe.wait() != 0:
            raise say.Failure(f"dpkg-deb could not unpack {file}")
    return owners
