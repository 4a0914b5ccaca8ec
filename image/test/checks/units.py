"""The units of the shipped root, as systemd itself reads them."""

from builder import audit, say

from .shipped import Shipped
from .trees import Tree

UNITS = "/usr/lib/systemd/system/"
# Keys that start a program, and the prefixes that systemd allows before it.
EXEC, PREFIXES = ("ExecStart=", "ExecStartPre=", "ExecStartPost=", "ExecReload=", "ExecStop=", "ExecStopPost=", "ExecCondition="), "-@:+!|"


def verified(shipped: Shipped) -> str:
    """`systemd-analyze verify` has nothing to say about our own units and the target that the system starts."""
    ours = [path.rsplit("/", 1)[1] for path, entry in shipped.root.items() if path.startswith(UNITS + "vallum") and entry.is_file and path.count("/") == 5]
    shipped.tools.run("systemd-analyze", "verify", "--man=no", f"--root=/build/{shipped.root_folder.name}", *sorted(ours), "multi-user.target")
    return " ".join(sorted(ours))


def programs_exist(shipped: Shipped) -> str:
    """Every program that a unit starts is there: no FAILED line waits for the day on which the unit is needed."""
    missing, count = [], 0
    for kind, tree in (("root", shipped.root), ("initrd", shipped.initrd)):
        for path, entry in tree.items():
            if not (path.startswith(UNITS) and entry.is_file):
                continue
            for key, program in _commands(path, tree):
                count += 1
                if not _there(program, tree):
                    missing.append(f"{path} ({kind}) has {key}{program}, which is not there")
    if missing:
        raise say.Failure("\n".join(missing))
    return f"{count} commands"


def exposure(shipped: Shipped, budget: dict) -> str:
    """`systemd-analyze security` thinks of the proxy's unit as well as the budget demands."""
    audit.exposure(shipped.tools, shipped.root_folder, budget)
    return f"at most {budget['security']['exposure_max']}"


def _commands(path: str, tree: Tree) -> list[tuple[str, str]]:
    """Keys and programs of a unit or drop-in, but those that a drop-in takes back by an empty value."""
    drop_ins = [entry.data.decode().splitlines() for other, entry in tree.items() if other.startswith(f"{path}.d/") and entry.is_file]
    taken_back = {line for lines in drop_ins for line in lines if line in EXEC}
    found = []
    for line in tree[path].data.decode().splitlines():
        key, _, value = line.partition("=")
        words = value.lstrip(PREFIXES).split()
        if f"{key}=" in EXEC and f"{key}=" not in taken_back and words and words[0].startswith("/"):
            found.append((f"{key}=", words[0]))
    return found


def _there(path: str, tree: Tree) -> bool:
    for old in ("/bin/", "/sbin/", "/lib/"):
        if path.startswith(old):
            path = "/usr" + path
    return path in tree
