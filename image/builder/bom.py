"""The bill of materials (SPDX 2.3, JSON): the Debian packages of which files are in the image, and the crates of the binary."""

import json
import time
import tomllib
from pathlib import Path

from . import apt

NAMESPACE = "https://spdx.org/spdxdocs/vallum"


def write(into: Path, version: str, debian: list[Path], crates: Path, epoch: int) -> None:
    """Writes the document; `debian` are package files, `crates` is Cargo.lock."""
    packages = [_vallum(version)] + [_debian(file) for file in debian] + _crates(crates)
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
        "packages": packages,
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": packages[0]["SPDXID"]},
            *(
                {"spdxElementId": packages[0]["SPDXID"], "relationshipType": "CONTAINS", "relatedSpdxElement": part["SPDXID"]}
                for part in packages[1:]
            ),
        ],
    }
    into.write_text(json.dumps(document, indent=1) + "\n")


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
