"""A person without a browser: follows redirects over TLS, keeps cookies, presses a button of a form."""

import http.client
import re
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit

REDIRECTS_MAX = 20
ANSWER_SECONDS_MAX = 30
# How long a connection is tried for, and how often.
CONNECT_SECONDS_MAX = 60
CONNECT_PAUSE_SECONDS = 0.5


@dataclass
class Answer:
    url: str
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Visitor:
    """Connects to 127.0.0.1 whatever the name says, and checks the certificate against the name."""

    def __init__(self, authority: Path):
        self.tls = ssl.create_default_context(cafile=str(authority))
        self.cookies: dict[tuple[str, str], str] = {}

    def get(self, url: str, accept: str = "text/html") -> Answer:
        return self._follow("GET", url, None, accept)

    def press(self, page: Answer, name: str, value: str) -> Answer:
        """Sends the page's one form with the button `name`=`value`."""
        action = re.search(rb'<form[^>]*action="([^"]+)"', page.body)
        if not action:
            raise AssertionError(f"{page.url} ({page.status}) has no form: {page.body[:400]!r}")
        return self._follow("POST", urljoin(page.url, action[1].decode()), urlencode({name: value}), "text/html")

    def once(self, method: str, url: str, form: str | None = None, accept: str = "*/*") -> Answer:
        """One request, no redirect followed."""
        parts = urlsplit(url)
        line = http.client.HTTPConnection(parts.hostname, parts.port or 443, timeout=ANSWER_SECONDS_MAX)
        line.sock = self._connect(parts.hostname, parts.port or 443)
        fields = {"Accept": accept}
        if jar := "; ".join(f"{name}={value}" for (host, name), value in self.cookies.items() if host == parts.netloc):
            fields["Cookie"] = jar
        if form is not None:
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        line.request(method, parts.path + (f"?{parts.query}" if parts.query else "") or "/", form, fields)
        answer = line.getresponse()
        body = answer.read()
        for cookie in answer.headers.get_all("set-cookie", []):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[(parts.netloc, name.strip())] = value
        line.close()
        return Answer(url, answer.status, answer.headers, body)

    def _connect(self, host: str, port: int) -> ssl.SSLSocket:
        """A connection whose handshake is done. On a busy machine HAProxy may hold its server for dead and close at once."""
        until = time.monotonic() + CONNECT_SECONDS_MAX
        while True:
            try:
                plain = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS_MAX)
                return self.tls.wrap_socket(plain, server_hostname=host)
            except (ssl.SSLEOFError, ConnectionError, TimeoutError):
                if time.monotonic() > until:
                    raise
                time.sleep(CONNECT_PAUSE_SECONDS)

    def _follow(self, method: str, url: str, form: str | None, accept: str) -> Answer:
        for _ in range(REDIRECTS_MAX):
            answer = self.once(method, url, form, accept)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            method, url, form = "GET", urljoin(url, answer.headers["location"]), None
        raise AssertionError(f"more than {REDIRECTS_MAX} redirects, the last to {url}")
