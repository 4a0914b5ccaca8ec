"""A network of its own for a test: loopback and nothing else, so that no port collides and nothing leaves the machine."""

import fcntl
import os
import socket
import struct
import sys

INSIDE = "VALLUM_IMAGE_TEST_INSIDE"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def enter() -> None:
    """Starts this program anew in a network namespace, unless it is there already."""
    if os.environ.get(INSIDE):
        raise_loopback()
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(line, SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(line, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
