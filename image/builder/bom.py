"""The bill of materials (SPDX 2.3, JSON): every file of the image, the Debian packages that they are from, the crates of the binary."""

import hashlib
import json
import time
import tomllib
from pathlib import Path

from . import apt

NAMESPACE = "https://spdx.org/spdxdocs/vallum"


def write(into: Path, version: str, files: list[tuple[str, Path, str | None]], debian: dict[str, Path], crates: Path, epoch: int) -> None:
    """Writes the document.

    `files` are name in the bill, place, and the Debian package that it is from (None: ours); `debian` is the packages' files
    by name; `crates` is Cargo.lock.
    """
    image, of_debian, of_crates = _vallum(version), {name: _debian(file) for name, file in sorted(debian.items())}, _crates(crates)
    listed = [_file(number, name, place) for number, (name, place, _) in enumerate(files)]
    image["filesAnalyzed"] = True
    image["packageVerificationCode"] = {"packageVerificationCodeValue": _verification_code(listed)}
    parts = [*of_debian.values(), *of_crates, *listed]
    origins = [(file, of_debian[package]) for file, (_, _, package) in zip(listed, files, strict=True) if package]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"vallum-{version}",
        "documentNamespace": f"{NAMESPACE}-{version}",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
            "creators": ["Tool: vallum image/build"],
        },
        "packages": [image, *of_debian.values(), *of_crates],
        "files": listed,
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": image["SPDXID"]},
            *(_relation(image, "CONTAINS", part) for part in parts),
            *(_relation(file, "GENERATED_FROM", package) for file, package in origins),
        ],
    }
    into.write_text(json.dumps(document, indent=1) + "\n")


def _relation(one: dict, kind: str, other: dict) -> dict:
    return {"spdxElementId": one["SPDXID"], "relationshipType": kind, "relatedSpdxElement": other["SPDXID"]}


def _file(number: int, name: str, place: Path) -> dict:
    data = place.read_bytes()
    return {
        "SPDXID": f"SPDXRef-file-{number}",
        "fileName": name,
        # SPDX 2.3 demands SHA-1 of each file, whatever it is worth.
        "checksums": [
            {"algorithm": "SHA1", "checksumValue": hashlib.sha1(data, usedforsecurity=False).hexdigest()},
            {"algorithm": "SHA256", "checksumValue": hashlib.sha256(data).hexdigest()},
        ],
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    }


def _verification_code(files: list[dict]) -> str:
    """SHA-1 over the sorted SHA-1 of all files (SPDX 2.3, section 7.9)."""
    sums = sorted(file["checksums"][0]["checksumValue"] for file in files)
    return hashlib.sha1("".join(sums).encode(), usedforsecurity=False).hexdigest()


def _package(kind: str, name: str, version: str, url: str, digest: str | None, license: str = "NOASSERTION") -> dict:
    made = {
        "SPDXID": f"SPDXRef-{kind}-{_identifier(name)}-{_identifier(version)}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": license,
        "copyrightText": "NOASSERTION",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}],
    }
    if digest:
        made["checksums"] = [{"algorithm": "SHA256", "checksumValue": digest}]
    return made


def _vallum(version: str) -> dict:
    return _package("image", "vallum", version, f"pkg:generic/vallum@{version}", None, "Apache-2.0")


def _debian(file: Path) -> dict:
    name, version = apt.package_of(file)
    url = f"pkg:deb/debian/{name}@{version.replace(':', '%3A')}?distro={apt.SUITE}"
    return _package("deb", name, version, url, apt.sha256(file))


def _crates(lock: Path) -> list[dict]:
    crates = tomllib.loads(lock.read_text())["package"]
    return [
        _package("crate", crate["name"], crate["version"], f"pkg:cargo/{crate['name']}@{crate['version']}", crate.get("checksum"))
        for crate in crates
        if "source" in crate
    ]


def _identifier(text: str) -> str:
    """The characters that an SPDX identifier may have."""
    return "".join(c if c.isalnum() or c in ".-" else "-" for c in text)
