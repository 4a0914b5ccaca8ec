"""What every boot test needs: a disk to start from, a configuration, and answers to compare."""

import shutil
import subprocess
import urllib.request
from pathlib import Path

from builder import audit, say
from builder.tools import Tools

from peers import HOST, Authority, Peers
from visitor import Visitor
from vm import Machine

HERE = Path(__file__).resolve().parent
BUDGET = audit.read_budget(HERE.parent / "budget.toml")
APP = "app.vallum.test"
# Where config/haproxy.cfg, as shipped, finds its server; and where the test scrapes.
FORWARDS = [(8443, 443), (9090, 9090)]
DISK_BYTES = 1 << 30
# The client's address as a PROXY header tells it, and the only source of such headers: the emulated network's gateway.
CONFIGURATION = """\
address: :443
metrics_address: :9090
use_proxy_protocol: true
proxy_protocol_trusted_cidrs: [{host}/32]
idp_provider: oidc
idp_provider_url: {issuer}
idp_client_id: vallum
idp_scopes: [openid, profile, email, groups, offline_access]
jwt_claims_headers: [email]
routes:
  - from: https://{app}
    to: http://{host}:{upstream}
    pass_identity_headers: true
    policy:
      - allow:
          or:
            - claim/groups: admins
"""
SECRET = "dmFsbHVtLWltYWdlLXRlc3Qtc2hhcmVkLXNlY3JldC0="
CLIENT_SECRET = "the-client-secret-of-vallum"


class Scene:
    """Peers, certificates and a machine with a configuration; all in `directory`."""

    def __init__(self, tools_root: Path, directory: Path, peers: Peers):
        self.directory, self.log = directory, directory / "test.log"
        self.tools = Tools(tools_root, directory, self.log, 0)
        self.peers = peers
        self.authority = Authority(directory, self.log)
        self.visitor = Visitor(self.authority.certificate)
        self.issuer = peers.provider(*self.authority.issue("provider", f"IP:{HOST}"))
        self.upstream = peers.upstream()
        self.leaf, self.leaf_key = self.authority.issue("leaf", f"DNS:{APP}")

    def configuration(self) -> str:
        return CONFIGURATION.format(host=HOST, issuer=self.issuer, app=APP, upstream=self.upstream)

    def machine(self, name: str) -> Machine:
        """A machine with everything configured: by SMBIOS, by fw_cfg and by a configuration disk, a part each."""
        machine = Machine(self.tools, self.directory, name)
        machine.forwards = list(FORWARDS)
        # What the proxy logs is seen when a test fails.
        machine.command_line = "systemd.journald.max_level_console=info"
        machine.credential("vallum.yaml", self.configuration())
        machine.credential("vallum.ca", self.authority.certificate.read_bytes())
        machine.firmware_credential("vallum.shared_secret", SECRET)
        machine.firmware_credential("vallum.cookie_secret", SECRET)
        self.config_disk({"vallum.idp_client_secret": CLIENT_SECRET.encode(), "vallum.certificate": self.leaf.read_bytes(), "vallum.certificate_key": self.leaf_key.read_bytes()})
        machine.disks.append("config.img")
        return machine

    def config_disk(self, files: dict[str, bytes]) -> None:
        """A small disk labelled VALLUMCONF with `files`."""
        image, folder = self.directory / "config.img", self.directory / "config"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        image.write_bytes(b"\0" * (4 << 20))
        self.tools.run("mkfs.vfat", "-n", "VALLUMCONF", "/build/config.img")
        for name, data in files.items():
            (folder / name).write_bytes(data)
            self.tools.run("mcopy", "-i", "/build/config.img", f"/build/config/{name}", f"::{name}")

    def disk(self, packed: Path) -> str:
        """A fresh copy of the shipped disk, made larger as an operator would."""
        raw = self.directory / "disk.raw"
        shutil.copyfile(packed, self.directory / "disk.raw.xz")
        self.tools.run("xz", "--decompress", "--force", "/build/disk.raw.xz")
        with raw.open("r+b") as file:
            file.truncate(DISK_BYTES)
        return raw.name


def scrape() -> str | None:
    """The metrics, when they answer."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:9090/metrics", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return None


def expect(seen: bool, what: str, detail: object = "") -> None:
    """One check: says it when it holds, ends the test when it does not."""
    if not seen:
        raise say.Failure(f"not so: {what} {detail}")
    say.note(f"ok: {what}")


def newest(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise say.Failure(f"expected one {pattern} in {folder}, found {len(found)}: run image/build")
    return found[0]


def build(*words: object) -> None:
    """image/build; its own words are shown."""
    if subprocess.run([HERE.parent / "build", *(str(word) for word in words)], check=False).returncode != 0:
        raise say.Failure("image/build failed, see above")
