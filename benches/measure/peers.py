"""The proxies under measurement, each with one worker, no access log and keep-alive towards the upstream."""

import json
import resource

from . import machine, process, provider, sign_in, upstream

# HAProxy wants two descriptors per connection and some more.
CONNECTIONS_MAX = 8000
DESCRIPTORS_SPARE = 400

HAPROXY = """global
    nbthread 1
    maxconn {connections}
defaults
    mode http
    timeout connect 5s
    timeout client 600s
    timeout server 60s
    timeout http-request 60s
    timeout http-keep-alive 600s
    option forwardfor
    http-reuse always
frontend bench
    bind 127.0.0.1:{port} backlog 4096 {tls}
    http-request set-header X-Forwarded-Proto {scheme}
    default_backend upstream
backend upstream
    server upstream 127.0.0.1:{upstream}
"""

NGINX = """daemon off;
{user}worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    {temporary}
    upstream service {{
        server 127.0.0.1:{upstream};
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_timeout 600s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096 {tls};
        {certificate}
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_max_temp_file_size 0;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


class Peer:
    """A running proxy, where it listens and what a request to it must carry."""

    def __init__(self, name, child, port, case):
        self.name = name
        self.child = child
        self.port = port
        self.url = f"{'https' if case.tls else 'http'}://localhost:{port}"
        self.cookie = None
        # What ends with the proxy.
        self.provider = None

    def stop(self):
        self.child.stop()
        if self.provider is not None:
            self.provider.stop()


def connections_max():
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(256, min(CONNECTIONS_MAX, (limit - DESCRIPTORS_SPARE) // 2))


def start(name, case, files, upstream_port, core, vallum):
    """Starts the proxy `name` for `case` and waits until it listens (for Vallum with a session: until someone is signed in)."""
    folder = files.folder / f"{name}-{case.key}"
    folder.mkdir(exist_ok=True)
    port = process.free_port()
    starter = {"haproxy": haproxy, "nginx": nginx, "vallum": vallum_with(vallum)}[name]
    return starter(case, files, folder, port, upstream_port, core)


def haproxy(case, files, folder, port, upstream_port, core):
    alpn = "h2,http/1.1" if case.protocol == "h2" else case.protocol
    tls = f"ssl crt {files.pair} alpn {alpn}" if case.tls else ""
    config = folder / "haproxy.cfg"
    scheme = "https" if case.tls else "http"
    config.write_text(
        HAPROXY.format(port=port, tls=tls, upstream=upstream_port, connections=connections_max(), scheme=scheme)
    )
    argv = [machine.tool("haproxy"), "-db", "-q", "-f", str(config)]
    return listening(Peer("haproxy", process.Child("haproxy", argv, core, folder), port, case))


def nginx(case, files, folder, port, upstream_port, core):
    certificate = f"ssl_certificate {files.certificate}; ssl_certificate_key {files.key}; ssl_protocols TLSv1.2 TLSv1.3;"
    config = folder / "nginx.conf"
    text = NGINX.format(
        user=upstream.user_directive(), folder=folder, connections=connections_max(), port=port, upstream=upstream_port,
        temporary=upstream.temporary_paths(folder), tls=" ".join(["ssl"] * case.tls + ["http2"] * (case.protocol == "h2")),
        certificate=certificate if case.tls else "",
    )
    config.write_text(text)
    argv = [machine.tool("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(config)]
    return listening(Peer("nginx", process.Child("nginx", argv, core, folder), port, case))


def vallum_with(binary):
    def vallum(case, files, folder, port, upstream_port, core):
        idp = provider.Provider(folder) if case.session else None
        try:
            config = folder / "vallum.yaml"
            # JSON is YAML.
            config.write_text(json.dumps(vallum_config(case, files, port, upstream_port, idp), indent=1))
            argv = [binary, "run", "--config", str(config)]
            peer = Peer("vallum", process.Child("vallum", argv, core, folder), port, case)
        except BaseException:
            if idp is not None:
                idp.stop()
            raise
        peer.provider = idp
        listening(peer)
        if case.session:
            try:
                peer.cookie = sign_in.cookie(port, "_pomerium")
            except BaseException:
                peer.stop()
                raise
        return peer

    return vallum


def vallum_config(case, files, port, upstream_port, idp):
    route = {"from": "https://localhost", "to": f"http://127.0.0.1:{upstream_port}"}
    config = {
        "address": f"127.0.0.1:{port}",
        "workers": 1,
        "log_level": "error",
        "proxy_log_level": "error",
        "shared_secret": provider.random_secret(),
        "cookie_secret": provider.random_secret(),
        "routes": [route],
    }
    if case.tls:
        config |= {"certificate_file": str(files.certificate), "certificate_key_file": str(files.key)}
    else:
        config["insecure_server"] = True
    if idp is None:
        route["allow_public_unauthenticated_access"] = True
    else:
        config |= idp.settings()
        route["policy"] = [{"allow": {"and": [{"claim/groups": provider.GROUP}]}}]
        route["pass_identity_headers"] = True
    return config


def listening(peer):
    try:
        peer.child.wait_for_port(peer.port)
        return peer
    except BaseException:
        peer.stop()
        raise
