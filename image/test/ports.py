"""What of the machine can be reached: a scan of every TCP port over a cable of its own, in both families."""

import errno
import fcntl
import ipaddress
import select
import socket
import struct
import time
from pathlib import Path

from builder import say

TUN = Path("/dev/net/tun")
CABLE = "tap0"
# The machine's end of the cable, and ours. The MAC gives the machine's link-local address (RFC 4291, appendix A).
MAC = "52:54:00:76:61:6c"
THERE, HERE = "10.66.0.2", "10.66.0.1"
THERE_6 = "fe80::5054:ff:fe76:616c"
NETWORK = f"""\
[Match]
MACAddress={MAC}

[Network]
Address={THERE}/24
LinkLocalAddressing=ipv6
"""
PORTS = range(1, 1 << 16)
AT_ONCE = 256
# Asked once more when nothing came back: a lost segment looks like a filter.
TRIES, ANSWER_SECONDS = 3, 5
# Services that a machine may have without anybody's wish: DNS, DHCP, NTP, NetBIOS, SNMP, DHCPv6, LLMNR, mDNS, QUIC.
UDP_PORTS = (53, 67, 123, 137, 161, 443, 547, 5353, 5355)
UDP_SECONDS = 1.5
SIOCSIFADDR, SIOCSIFNETMASK, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x891C, 0x8913, 0x8914, 1
TUNSETIFF, TUNSETPERSIST, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x400454CB, 0x0002, 0x1000


def lay_cable() -> None:
    """Makes our end of the cable, in the network namespace of the test; it goes with that."""
    if not TUN.exists():
        raise say.Failure(f"{TUN} is missing, so no cable can be laid: load the kernel's module tun (modprobe tun)")
    with TUN.open("r+b", buffering=0) as device:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", CABLE.encode(), IFF_TAP | IFF_NO_PI))
        fcntl.ioctl(device, TUNSETPERSIST, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for request, address in ((SIOCSIFADDR, HERE), (SIOCSIFNETMASK, "255.255.255.0")):
            fcntl.ioctl(line, request, struct.pack("16sH2x4s16x", CABLE.encode(), socket.AF_INET, socket.inet_aton(address)))
        (flags,) = struct.unpack_from("h", fcntl.ioctl(line, SIOCGIFFLAGS, struct.pack("16s24x", CABLE.encode())), 16)
        fcntl.ioctl(line, SIOCSIFFLAGS, struct.pack("16sh22x", CABLE.encode(), flags | IFF_UP))


def open_tcp(address: str) -> tuple[list[int], list[int]]:
    """Ports of `address` that accept, and those that gave no answer at all after all tries."""
    accepted: list[int] = []
    rest = list(PORTS)
    for _ in range(TRIES):
        seen, rest = _round(address, rest)
        accepted += seen
        if not rest:
            break
    return sorted(accepted), rest


def open_udp(address: str) -> list[int]:
    """Ports of UDP_PORTS that answer with data."""
    family = _family(address)
    answered = []
    for port in UDP_PORTS:
        with socket.socket(family, socket.SOCK_DGRAM) as line:
            line.settimeout(UDP_SECONDS)
            try:
                line.connect(_name(address, port))
                line.send(b"\0" * 48)
                line.recv(2048)
                answered.append(port)
            except OSError:
                continue
    return answered


def _round(address: str, ports: list[int]) -> tuple[list[int], list[int]]:
    """One try of each port; returns those that accepted and those without an answer."""
    accepted, silent, queue = [], [], list(reversed(ports))
    under_way: dict[int, tuple[socket.socket, int, float]] = {}
    poll = select.epoll()
    while queue or under_way:
        while queue and len(under_way) < AT_ONCE:
            line, port = socket.socket(_family(address), socket.SOCK_STREAM | socket.SOCK_NONBLOCK), queue.pop()
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.connect_ex(_name(address, port))
            under_way[line.fileno()] = (line, port, time.monotonic() + ANSWER_SECONDS)
            poll.register(line, select.EPOLLOUT)
        done = {number for number, _ in poll.poll(0.2)}
        now = time.monotonic()
        for number in done | {number for number, (_, _, until) in under_way.items() if until < now}:
            line, port, _ = under_way.pop(number)
            error = line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if number in done else errno.ETIMEDOUT
            poll.unregister(line)
            line.close()
            if error == 0:
                accepted.append(port)
            elif error != errno.ECONNREFUSED:
                silent.append(port)
    poll.close()
    return accepted, silent


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET if ipaddress.ip_address(address).version == 4 else socket.AF_INET6


def _name(address: str, port: int) -> tuple:
    return (address, port) if _family(address) == socket.AF_INET else (address, port, 0, socket.if_nametoindex(CABLE))
