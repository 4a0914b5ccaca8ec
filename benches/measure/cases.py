"""The cases: what is asked of every proxy, and how much of HAProxy's cost Vallum may have."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    key: str
    title: str
    # "wrk": connections that stay; "h2load": the same in HTTP/2, with `streams` on each; "connect": one request per connection; "idle": memory of connections at rest.
    load: str
    tls: bool
    path: str
    connections: int
    # The upper bound for Vallum's ratio to HAProxy; for "idle" KiB per connection.
    target: float
    # Vallum has a signed-in session, a policy and an assertion; the others forward as before.
    session: bool = False
    # Requests at once on one connection.
    streams: int = 1

    @property
    def protocol(self):
        """What the client offers in ALPN, and so what all of a case is spoken in."""
        return "h2" if self.load == "h2load" else "http/1.1"


CASES = (
    Case("a", "HTTP/1.1 plain, 1 KiB", "wrk", False, "/small", 64, 0.80),
    Case("b", "HTTP/1.1 over TLS 1.3, 1 KiB", "wrk", True, "/small", 64, 0.75),
    Case("c", "HTTP/2 over TLS 1.3, 1 KiB", "h2load", True, "/small", 8, 0.75, streams=32),
    Case("d", "new TLS 1.3 connection (full handshake) per request, 1 KiB", "connect", True, "/small", 8, 0.60),
    Case("e", "1 MiB over TLS 1.3", "wrk", True, "/large", 8, 1.0),
    Case("f", "TLS 1.3 with session, policy and assertion (Vallum alone), 1 KiB", "wrk", True, "/small", 64, 1.0, True),
    Case("g", "memory of an idle TLS connection", "idle", True, "/small", 3000, 15.0),
)


def chosen(keys):
    """The cases named in a comma-separated list, in the order of the table; all when it is empty."""
    wanted = {key.strip() for key in keys.split(",") if key.strip()}
    unknown = wanted - {case.key for case in CASES}
    if unknown:
        known = ", ".join(f"{case.key} ({case.title})" for case in CASES)
        raise ValueError(f"unknown case {', '.join(sorted(unknown))}; there are: {known}")
    return [case for case in CASES if not wanted or case.key in wanted]
