"""A generator of idle connections: opens TLS connections one after the other, one request on each, and keeps them.

`python3 -m measure.idle PORT PATH CONNECTIONS` opens WARM connections and says "warm"; after a line on standard input it opens
the others and says "full"; after another line (or the end of the input) it closes them all.
"""

import sys

from . import client

# What a proxy sets up once (pools, caches, tickets) is set up by these.
WARM = 100


def hold(links, tls, port, path, count):
    for _ in range(count):
        link = client.opened(tls, port)
        link.sendall(client.request(port, path, "keep-alive"))
        client.read_answer(link)
        links.append(link)


def main(port, path, connections):
    tls = client.context()
    links = []
    for count, word in ((WARM, "warm"), (connections, "full")):
        hold(links, tls, port, path, count)
        print(word, flush=True)
        if not sys.stdin.readline():
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
