"""What every scene needs: a disk to start from, a configuration, and answers to compare."""

import shutil
import subprocess
import urllib.request
from functools import cached_property
from pathlib import Path

from builder import audit, say
from builder.tools import Tools

import disks
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


class Stage:
    """What a scene plays on: the build's outputs and tools, and a directory, peers and certificates of its own.

    Peers start when they are first asked for. Use it as a context manager: they end with the scene.
    """

    def __init__(self, out: Path, tools_root: Path, directory: Path):
        self.out, self.directory, self.log = out, directory, directory / "test.log"
        self.tools = Tools(tools_root, directory, self.log, 0)
        self.peers = Peers(directory, self.log)

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.peers.end()

    @cached_property
    def authority(self) -> Authority:
        return Authority(self.directory, self.log)

    @cached_property
    def visitor(self) -> Visitor:
        return Visitor(self.authority.certificate)

    @cached_property
    def issuer(self) -> str:
        """The OpenID provider's."""
        return self.peers.provider(*self.authority.issue("provider", f"IP:{HOST}"))

    @cached_property
    def upstream(self) -> int:
        """The upstream's port on the host."""
        return self.peers.upstream()

    @cached_property
    def leaf(self) -> tuple[Path, Path]:
        """The certificate that clients are shown, and its key."""
        return self.authority.issue("leaf", f"DNS:{APP}")

    def output(self, pattern: str) -> Path:
        """The one file of image/build's that `pattern` names."""
        found = sorted(self.out.glob(pattern))
        if len(found) != 1:
            raise say.Failure(f"expected one {pattern} in {self.out}, found {len(found)}: run image/build")
        return found[0]

    def disk(self) -> str:
        """A fresh copy of the shipped disk, made larger as an operator would; the name that a machine's `disks` takes."""
        raw = self.directory / "disk.raw"
        shutil.copyfile(self.output("vallum-*.raw.xz"), self.directory / "disk.raw.xz")
        self.tools.run("xz", "--decompress", "--force", "/build/disk.raw.xz")
        with raw.open("r+b") as file:
            file.truncate(DISK_BYTES)
        return raw.name

    def bare_machine(self, name: str) -> Machine:
        """A machine that was told nothing, without a disk."""
        machine = Machine(self.tools, self.directory, name)
        machine.forwards = list(FORWARDS)
        # What the proxy logs is seen when a test fails.
        machine.command_line = "systemd.journald.max_level_console=info"
        return machine

    def configuration(self) -> str:
        return CONFIGURATION.format(host=HOST, issuer=self.issuer, app=APP, upstream=self.upstream)

    def machine(self, name: str) -> Machine:
        """A machine with the shipped disk and everything configured: by SMBIOS, by fw_cfg and by a configuration disk, a part each."""
        machine = self.bare_machine(name)
        machine.credential("vallum.yaml", self.configuration())
        machine.credential("vallum.ca", self.authority.certificate.read_bytes())
        machine.firmware_credential("vallum.shared_secret", SECRET)
        machine.firmware_credential("vallum.cookie_secret", SECRET)
        certificate, key = (path.read_bytes() for path in self.leaf)
        files = {"vallum.idp_client_secret": CLIENT_SECRET.encode(), "vallum.certificate": certificate, "vallum.certificate_key": key}
        machine.disks += [self.disk(), disks.vfat(self.tools, "config", "VALLUMCONF", files)]
        return machine


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


def build(*words: object) -> None:
    """image/build; its own words are shown."""
    if subprocess.run([HERE.parent / "build", *(str(word) for word in words)], check=False).returncode != 0:
        raise say.Failure("image/build failed, see above")
