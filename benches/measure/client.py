"""What both generators of TLS connections share: one connection, one request. Runs on the load's core under OPENSSL_CONF."""

import socket
import ssl

TIMEOUT_SECONDS = 10
HEAD_BYTES_MAX = 16 * 1024


def context():
    """TLS 1.3 only; cipher suite and group come from the limits file. Nothing is resumed: no session is ever passed on."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.set_alpn_protocols(["http/1.1"])
    return made


def opened(tls, port):
    """A connection with its handshake done."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tls.wrap_socket(plain, server_hostname="localhost")


def request(port, path, connection):
    head = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: {connection}\r\n\r\n"
    return head.encode()


def read_answer(link):
    """Reads one 200 answer with a Content-Length; anything else is an error."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        part = link.recv(65536)
        if not part or len(data) > HEAD_BYTES_MAX:
            raise ConnectionError(f"the answer ended in its head: {data[:200]!r}")
        data += part
    head = data[:end].decode("latin-1")
    status, *fields = head.split("\r\n")
    if status.split(" ")[1:2] != ["200"]:
        raise ConnectionError(f"expected 200, got: {status}")
    lengths = [line.partition(":")[2] for line in fields if line.lower().startswith("content-length:")]
    left = int(lengths[0]) - (len(data) - end - 4)
    while left > 0:
        part = link.recv(65536)
        if not part:
            raise ConnectionError(f"the answer ended {left} bytes early")
        left -= len(part)
