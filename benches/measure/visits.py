"""What load generators never ask: requests such as browsers and programs send, a few thousand of them, one after the other."""

import http.client
import ssl

ROUNDS = 1500
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding": "gzip, deflate, br",
    "Referer": "https://localhost/start?from=here",
    "Cookie": "theme=dark; consent=1; visit=0a1b2c3d4e5f",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Priority": "u=0, i",
    "Cache-Control": "max-age=0",
    "X-Forwarded-For": "192.0.2.7",
}


def visit(port, tls, rounds=ROUNDS):
    """Asks the proxy at `port` in every way that is known here, so many times."""
    connection = connect(port, tls)
    for number in range(rounds):
        for method, target, body, headers, chunked in (
            ("GET", f"/small?page={number}&q=a%20b", None, BROWSER, False),
            ("HEAD", "/small", None, BROWSER, False),
            ("POST", "/small", b"x" * 700, {"Content-Type": "application/json"}, False),
            ("POST", "/small", [b"x" * 300, b"y" * 300], {"Transfer-Encoding": "chunked"}, True),
            ("GET", "/a/../none/%7Euser//x", None, {}, False),
        ):
            connection.request(method, target, body=iter(body) if chunked else body, headers=headers, encode_chunked=chunked)
            answer = connection.getresponse()
            answer.read()
            if answer.will_close:
                connection.close()
                connection = connect(port, tls)
    connection.close()


def connect(port, tls):
    if not tls:
        return http.client.HTTPConnection("localhost", port, timeout=20)
    trust_all = ssl._create_unverified_context()
    return http.client.HTTPSConnection("localhost", port, timeout=20, context=trust_all)
