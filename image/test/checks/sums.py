"""Checksums and sizes of the outputs."""

import hashlib

from builder import audit, say

from .shipped import Shipped


def checksums(shipped: Shipped) -> str:
    """SHA256SUMS names every output and no other, rightly."""
    lines = dict(reversed(line.split("  ")) for line in (shipped.out / "SHA256SUMS").read_text().splitlines())
    there = {path.name for path in shipped.out.iterdir()} - {"SHA256SUMS"}
    if there != set(lines):
        raise say.Failure(f"SHA256SUMS and the folder differ by {', '.join(sorted(there ^ set(lines)))}")
    wrong = [name for name in there if hashlib.sha256((shipped.out / name).read_bytes()).hexdigest() != lines[name]]
    if wrong:
        raise say.Failure(f"other bytes than SHA256SUMS says: {', '.join(wrong)}")
    return f"{len(there)} outputs"


def sizes(shipped: Shipped, budget: dict) -> str:
    """No output is larger than its budget."""
    endings = {"raw_xz": "raw.xz", "root": "root.erofs", "boot_file": "efi", "all_in_one": "all-in-one.efi"}
    audit.sizes({name: shipped.file(ending).stat().st_size for name, ending in endings.items()}, budget)
    return "as in budget.toml"
