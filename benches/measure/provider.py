"""A stub OpenID provider for one benchmark: it signs the same person in at once. It checks nothing; never use it elsewhere."""

import base64
import json
import os
import secrets
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from . import machine

CLIENT = "bench"
GROUP = "admins"
PERSON = {"sub": "alice", "email": "alice@example.com", "email_verified": True, "name": "Alice", "groups": [GROUP]}
TOKEN_SECONDS = 3600
CODES_MAX = 100


def random_secret():
    """32 random bytes in base64, as `shared_secret` wants them."""
    return base64.b64encode(os.urandom(32)).decode()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    """The provider, served by threads of this process on a loopback port."""

    def __init__(self, folder):
        self.key = folder / "provider.key"
        run_openssl(["genrsa", "-out", str(self.key), "2048"])
        # Codes that were handed out, with the nonce of the sign-in that they belong to.
        self.codes = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self):
        """The part of Vallum's configuration that names this provider."""
        return {
            "idp_provider": "oidc",
            "idp_provider_url": self.issuer,
            "idp_client_id": CLIENT,
            "idp_client_secret": "bench-secret",
            "idp_scopes": ["openid", "profile", "email"],
        }

    def discovery(self):
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "profile", "email"],
        }

    def jwks(self):
        modulus = run_openssl(["rsa", "-in", str(self.key), "-modulus", "-noout"]).decode().strip().partition("=")[2]
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "bench", "e": "AQAB"}
        return {"keys": [key | {"n": base64url(bytes.fromhex(modulus))}]}

    def authorize(self, query):
        """Where the browser goes next: back, with a code."""
        if len(self.codes) >= CODES_MAX:
            self.codes.clear()
        code = secrets.token_urlsafe(16)
        self.codes[code] = query.get("nonce", [None])[0]
        back = query["redirect_uri"][0]
        fields = {"code": code, "state": query["state"][0]}
        return back + ("&" if "?" in back else "?") + urlencode(fields)

    def token(self, form):
        """The answer to a code, or None when it is not one of ours."""
        code = form.get("code", [""])[0]
        if code not in self.codes:
            return None
        nonce = self.codes.pop(code)
        now = int(time.time())
        claims = PERSON | {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + TOKEN_SECONDS}
        if nonce:
            claims["nonce"] = nonce
        return {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "id_token": self.signed(claims),
        }

    def signed(self, claims):
        head = {"alg": "RS256", "typ": "JWT", "kid": "bench"}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{base64url(run_openssl(['dgst', '-sha256', '-sign', str(self.key)], text.encode()))}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def run_openssl(arguments, data=b""):
    argv = [machine.tool("openssl"), *arguments]
    return subprocess.run(argv, input=data, capture_output=True, check=True, timeout=30).stdout


def handler_of(provider):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            url = urlsplit(self.path)
            if url.path == "/authorize":
                self.answer(302, b"", {"Location": provider.authorize(parse_qs(url.query))})
                return
            documents = {
                "/.well-known/openid-configuration": provider.discovery,
                "/jwks": provider.jwks,
                "/userinfo": lambda: PERSON,
            }
            self.answer_json(documents[url.path]() if url.path in documents else None)

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/token":
                self.answer_json(provider.token(parse_qs(body.decode())))
            else:
                self.answer_json(PERSON if self.path == "/userinfo" else None)

        def answer_json(self, document):
            status = 200 if document is not None else 400
            body = json.dumps(document if document is not None else {"error": "invalid_request"}).encode()
            self.answer(status, body, {"Content-Type": "application/json"})

        def answer(self, status, body, fields):
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler
