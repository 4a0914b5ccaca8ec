"""The service behind every proxy: nginx on the load's core. It also counts, for all proxies alike, what was served."""

import http.client
import os

from . import machine, material, process

CONFIG = """daemon off;
{user}worker_processes 1;
pid {folder}/upstream.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    {temporary}
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {bodies};
        location = /small {{ return 200 "{small}"; }}
        location = /probe {{ return 200 "assertion=$http_x_pomerium_jwt_assertion cookie=$http_cookie"; }}
        location = /count {{ stub_status; }}
    }}
}}
"""

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def temporary_paths(folder):
    """nginx makes these folders at start, under /var unless told otherwise."""
    return " ".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)


def user_directive():
    """Workers stay root when the master is: the folder of a run may be closed to others."""
    return "user root;\n" if os.geteuid() == 0 else ""


class Upstream:
    """The running service."""

    def __init__(self, files, core):
        self.port = process.free_port()
        folder = files.folder / "upstream"
        folder.mkdir(exist_ok=True)
        config = folder / "nginx.conf"
        text = CONFIG.format(
            folder=folder, port=self.port, bodies=files.bodies, user=user_directive(),
            temporary=temporary_paths(folder), small="x" * material.SMALL_BYTES,
        )
        config.write_text(text)
        argv = [machine.tool("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(config)]
        self.child = process.Child("upstream", argv, core, folder)
        self.counter = None
        try:
            self.child.wait_for_port(self.port)
        except BaseException:
            self.child.stop()
            raise

    def served(self):
        """How many requests were answered since the start, this question included (one connection for all questions)."""
        if self.counter is None:
            self.counter = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        self.counter.request("GET", "/count")
        # "server accepts handled requests\n 1 1 1 \n…": the third number of the third line.
        return int(self.counter.getresponse().read().split(b"\n")[2].split()[2])

    def stop(self):
        if self.counter is not None:
            self.counter.close()
        self.child.stop()
