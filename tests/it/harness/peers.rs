//! Real peers: HAProxy in front, nginx behind, an OpenID provider, a browser.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::wait_until;

/// A command for a program that `tests/run` installs.
pub fn program(name: &str) -> Command {
    let places = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin:/sbin";
    let found = places.split(':').map(|p| Path::new(p).join(name)).find(|p| p.is_file());
    Command::new(found.unwrap_or_else(|| panic!("{name} is not installed; tests/run installs it")))
}

/// The folder of the Node.js programs of the tests.
fn npm_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm");
    assert!(
        folder.join("node_modules/oidc-provider").is_dir() && folder.join("node_modules/@grpc/grpc-js").is_dir(),
        "npm packages are missing; tests/run installs them"
    );
    folder
}

/// Node.js with one of the programs in `tests/npm`. A node of the tests' own goes before the system's.
pub fn node(script: &str) -> Command {
    let folder = npm_folder();
    let own = ["x64", "arm64"].map(|arch| folder.join(format!(".node/node_modules/node-linux-{arch}/bin/node")));
    let mut command = own.iter().find(|p| p.is_file()).map_or_else(|| program("node"), Command::new);
    command.current_dir(&folder).arg(folder.join(script));
    command
}

/// HAProxy on a port of its own, in TCP mode, telling who the client is by PROXY v2.
pub struct HaProxy {
    pub address: SocketAddr,
    listener: Option<TcpListener>,
    process: Option<Process>,
    folder: TempDir,
}

impl HaProxy {
    /// Takes a port; [`HaProxy::forward`] starts the program. Between the two, connections wait.
    pub fn reserve() -> HaProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().unwrap();
        HaProxy { address, listener: Some(listener), process: None, folder: TempDir::new().expect("a folder") }
    }

    /// Starts forwarding to `server`, with connections that come from `source`, an address of the loopback range.
    pub fn forward(&mut self, server: SocketAddr, source: &str) {
        let config = format!(
            "global\n  log stderr format raw local0 warning\n\
             defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             frontend in\n  bind fd@0\n  default_backend edge\n\
             backend edge\n  source {source}\n  server edge {server} send-proxy-v2\n"
        );
        let file = self.folder.path().join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        let listener = OwnedFd::from(self.listener.take().expect("started once"));
        let mut command = program("haproxy");
        self.process = Some(Process::start("haproxy", command.arg("-db").arg("-f").arg(file).stdin(listener)));
        drop(command);
    }
}

/// nginx with one worker process; it answers every path with `body`.
pub struct Nginx {
    pub address: SocketAddr,
    pub process: Process,
    _folder: TempDir,
}

impl Nginx {
    pub fn start(body: &str) -> Nginx {
        let folder = TempDir::new().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().unwrap();
        let path = folder.path().display();
        let config = format!(
            "daemon off; worker_processes 1; user root; pid {path}/pid; error_log stderr warn;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n  access_log off; keepalive_requests 10000000; client_body_temp_path {path}/body;\n  \
             proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi;\n  \
             scgi_temp_path {path}/scgi;\n  \
             server {{ listen {address}; location / {{ return 200 \"{body}\"; }} }}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = program("nginx");
        // The listening socket is handed over, as nginx does itself when it is upgraded in place.
        command.env("NGINX", "0;").stdin(OwnedFd::from(listener)).arg("-p").arg(folder.path()).arg("-c").arg(file);
        let process = Process::start("nginx", &mut command);
        drop(command);
        wait_until("nginx", || {
            let mut wire = super::Wire::clear(address);
            wire.send("GET / HTTP/1.0\r\n\r\n").drain().starts_with(b"HTTP/1.1 200").then_some(())
        });
        Nginx { address, process, _folder: folder }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `kill -9` of both its processes.
    pub fn kill(&mut self) {
        self.process.kill_with_children();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The OpenID provider of `tests/npm/idp.mjs`.
pub struct Provider {
    pub issuer: String,
    _process: Process,
    _stdin: ChildStdin,
}

impl Provider {
    pub fn start() -> Provider {
        let mut command = node("idp.mjs");
        let mut process = Process::start("the identity provider", command.stdin(Stdio::piped()));
        let issuer = process.wait_for_line("the issuer", |line| {
            serde_json::from_str::<Value>(line).ok()?["issuer"].as_str().map(str::to_owned)
        });
        let stdin = process.take_stdin();
        Provider { issuer, _process: process, _stdin: stdin }
    }

    /// The settings that make an instance sign people in here.
    pub fn settings(&self) -> Value {
        json!({
            "idp_provider": "oidc",
            "idp_provider_url": self.issuer,
            "idp_client_id": "vallum",
            "idp_client_secret": "the-client-secret-of-vallum",
            "idp_scopes": ["openid", "email", "profile", "groups"],
        })
    }
}

/// Runs `tests/npm/browser.mjs SCENE` with `settings` and returns what it reports.
#[track_caller]
pub fn browse(scene: &str, settings: Value) -> Value {
    let screenshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&screenshots).unwrap();
    let mut settings = settings;
    settings["screenshots"] = json!(screenshots);
    settings["chromium"] = json!(program("chromium").get_program().to_string_lossy());
    let mut command = node("browser.mjs");
    command.arg(scene).arg(settings.to_string()).stdin(Stdio::null());
    let (status, lines) = Process::run("the browser", &mut command, Duration::from_secs(100));
    assert!(status.success(), "the browser ended with {status}:\n{}", lines.join("\n"));
    let report = lines.iter().rev().find_map(|l| l.strip_prefix("REPORT "));
    serde_json::from_str(report.unwrap_or_else(|| panic!("no report:\n{}", lines.join("\n"))))
        .expect("a report in JSON")
}

/// An echo server of the library `ws`, by `tests/npm/websocket.mjs`.
pub struct WebSocketEcho {
    pub address: SocketAddr,
    pub process: Process,
    _stdin: ChildStdin,
}

impl WebSocketEcho {
    pub fn start() -> WebSocketEcho {
        WebSocketEcho::serving("serve")
    }

    /// Over HTTP/2 in clear text (RFC 8441).
    pub fn over_http2() -> WebSocketEcho {
        WebSocketEcho::serving("serve-http2")
    }

    fn serving(mode: &str) -> WebSocketEcho {
        let mut command = node("websocket.mjs");
        let mut process = Process::start("the WebSocket server", command.arg(mode).stdin(Stdio::piped()));
        let port = process.wait_for_line("its port", |line| {
            u16::try_from(serde_json::from_str::<Value>(line).ok()?["port"].as_u64()?).ok()
        });
        let stdin = process.take_stdin();
        WebSocketEcho { address: SocketAddr::from(([127, 0, 0, 1], port)), process, _stdin: stdin }
    }
}

/// Tries the cases of `tests/npm/websocket.mjs` at `address`, by `way` (`direct`, `http1`, `http2`): the outcome of each.
#[track_caller]
pub fn try_websocket(way: &str, address: SocketAddr, host: &str) -> serde_json::Map<String, Value> {
    let mut command = node("websocket.mjs");
    command.args(["try", way, &address.port().to_string(), host]).stdin(Stdio::null());
    let (status, lines) = Process::run("the WebSocket cases", &mut command, Duration::from_secs(100));
    assert!(status.success(), "the WebSocket cases ended with {status}:\n{}", lines.join("\n"));
    let report = lines.iter().rev().find_map(|line| line.strip_prefix("REPORT "));
    serde_json::from_str(report.expect("a report")).expect("a report in JSON")
}

/// Verifies `token` with the keys at `jwks` (a JWKS as text) by the library `jose`; returns its header and payload.
#[track_caller]
pub fn verify_by_jose(jwks: &str, token: &str, audience: &str) -> Value {
    let mut command = node("verify.mjs");
    command.arg(jwks).arg(token).arg(audience).stdin(Stdio::null());
    let (status, lines) = Process::run("jose", &mut command, Duration::from_secs(30));
    assert!(status.success(), "jose does not accept the token:\n{}", lines.join("\n"));
    serde_json::from_str(lines.last().expect("a line")).expect("JSON")
}
