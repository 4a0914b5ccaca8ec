"""Files that a run needs: a P-256 certificate, limits for OpenSSL's clients, bodies to serve."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import machine

SMALL_BYTES = 1024
LARGE_BYTES = 1024 * 1024

# Every client that uses OpenSSL reads this, so that all proxies negotiate the same.
CLIENT_LIMITS = """openssl_conf = start
[start]
ssl_conf = modules
[modules]
system_default = limits
[limits]
MinProtocol = TLSv1.3
MaxProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
"""


@dataclass(frozen=True)
class Material:
    """Where the files are."""

    folder: Path
    certificate: Path
    key: Path
    # Certificate and key in one file, as HAProxy wants them.
    pair: Path
    client_limits: Path
    bodies: Path


def make(folder):
    """Writes the files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    bodies = folder / "bodies"
    bodies.mkdir(exist_ok=True)
    (bodies / "large").write_bytes(bytes(range(256)) * (LARGE_BYTES // 256))
    certificate, key, pair = folder / "leaf.pem", folder / "leaf.key", folder / "pair.pem"
    argv = [machine.tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    argv += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"]
    argv += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(argv, capture_output=True, check=True, timeout=30)
    pair.write_text(certificate.read_text() + key.read_text())
    pair.chmod(0o600)
    limits = folder / "client-openssl.cnf"
    limits.write_text(CLIENT_LIMITS)
    return Material(folder, certificate, key, pair, limits, bodies)


def negotiated(material, port, offered):
    """What a limited client that offers one protocol and the proxy on `port` agree on, e.g. ("TLSv1.3",
    "TLS_AES_128_GCM_SHA256", "X25519", "h2")."""
    argv = [machine.tool("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost"]
    argv += ["-alpn", offered]
    env = {"OPENSSL_CONF": str(material.client_limits)}
    done = subprocess.run(argv, input=b"", capture_output=True, timeout=20, check=False, env=env)
    protocol = cipher = group = alpn = "?"
    for line in done.stdout.decode(errors="replace").splitlines():
        if line.startswith("New, ") and " Cipher is " in line:
            protocol, _, cipher = line.removeprefix("New, ").partition(", Cipher is ")
        if line.startswith("Server Temp Key: "):
            group = line.removeprefix("Server Temp Key: ").partition(",")[0]
        if line.startswith("ALPN protocol: "):
            alpn = line.removeprefix("ALPN protocol: ").strip()
    return protocol, cipher, group, alpn
