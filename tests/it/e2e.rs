//! The whole picture with a real browser: HAProxy in front, two weighted upstreams behind, a real provider beside.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::certificates::Authority;
use crate::harness::peers::{HaProxy, Provider, browse, program, verify_by_jose};
use crate::harness::process::Process;
use crate::harness::vallum::{and, command};
use crate::harness::{Upstream, Vallum};

/// The address from which HAProxy reaches Vallum; the browser comes from 127.0.0.1.
const HAPROXY_SOURCE: &str = "127.0.0.9";
const ROUNDS: usize = 40;

struct Picture {
    haproxy: HaProxy,
    provider: Provider,
    light: Upstream,
    heavy: Upstream,
    authority: Authority,
    vallum: Vallum,
}

impl Picture {
    fn start() -> Picture {
        let (mut haproxy, provider) = (HaProxy::reserve(), Provider::start());
        let (light, heavy) = (Upstream::named("light"), Upstream::named("heavy"));
        let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
        let leaf = authority.issue(folder.path(), "leaf", &["*.vallum.test"]);
        let port = haproxy.address.port();
        let to = json!([[light.url(), 1], [heavy.url(), 3]]);
        let route = |name: &str, access: Value| {
            let from = format!("https://{name}.vallum.test:{port}");
            and(json!({"from": from, "to": to, "pass_identity_headers": true, "allow_websockets": true}), access)
        };
        let settings = json!({
            "workers": 1,
            "use_proxy_protocol": true,
            "proxy_protocol_trusted_cidrs": [format!("{HAPROXY_SOURCE}/32")],
            "certificates": [leaf.entry()],
            "authenticate_service_url": format!("https://auth.vallum.test:{port}"),
            "routes": [
                route("app", json!({"policy": [{"allow": {"or": [{"claim/groups": "admins"}]}}]})),
                route("secret", json!({"policy": [{"allow": {"or": [{"email": {"is": "bob@example.com"}}]}}]})),
            ],
        });
        let vallum = Vallum::start_in(folder, and(provider.settings(), settings));
        haproxy.forward(vallum.address, HAPROXY_SOURCE);
        Picture { haproxy, provider, light, heavy, authority, vallum }
    }

    fn url(&self, scheme: &str, name: &str, path: &str) -> String {
        format!("{scheme}://{name}.vallum.test:{}{path}", self.haproxy.address.port())
    }
}

#[test]
fn a_browser_signs_in_and_is_served_through_haproxy() {
    let picture = Picture::start();
    let report = browse(
        "picture",
        json!({
            "map": "*.vallum.test",
            "allowed": picture.url("https", "app", "/welcome"),
            "denied": picture.url("https", "secret", "/"),
            "websocket": picture.url("wss", "app", "/websocket"),
            "who": "alice",
            "count": ROUNDS,
        }),
    );
    assert_eq!(report["allowed"]["status"], 200);
    assert_eq!(report["allowed"]["url"], picture.url("https", "app", "/welcome"));
    assert_eq!(report["denied"]["status"], 403, "{}", report["denied"]);
    assert_eq!(report["echoed"], "through and back");

    let seen = |name: &str| report["spread"].as_array().unwrap().iter().filter(|a| a["server"] == name).count();
    assert_eq!((seen("light"), seen("heavy")), (ROUNDS / 4, ROUNDS * 3 / 4));

    let requests = [picture.light.requests(), picture.heavy.requests()].concat();
    assert!(requests.len() > ROUNDS);
    for request in &requests {
        assert_eq!(request.header("x-forwarded-for"), "127.0.0.1", "the browser's address, not {HAPROXY_SOURCE}");
        assert_eq!(request.header("x-forwarded-proto"), "https");
        assert!(!request.header("cookie").contains("_pomerium="));
    }
    let token = requests[0].header("x-pomerium-jwt-assertion");
    let host = "app.vallum.test";
    let vouched = verify_by_jose(report["jwks"].as_str().unwrap(), token, host);
    assert_eq!(vouched["payload"]["email"], "alice@example.com");
    assert_eq!(vouched["payload"]["groups"], json!(["admins", "users"]));

    for cookie in report["cookies"].as_array().unwrap().iter().filter(|c| c["name"] == "_pomerium") {
        assert!(cookie["secure"] == true && cookie["httpOnly"] == true, "{cookie}");
    }
    assert!(picture.provider.issuer.starts_with("http://127.0.0.1:"));
    assert_eq!(picture.vallum.scrape().value("vallum_proxy_protocol_rejects_total", &[]), 0.0);
    assert_eq!(picture.vallum.panics(), [""; 0]);
}

#[test]
fn curl_sees_the_right_certificate_for_known_and_unknown_names() {
    let picture = Picture::start();
    let port = picture.haproxy.address.port();
    let curl = |name: &str, more: &[&str]| {
        let mut command = program("curl");
        command.args(["--silent", "--show-error", "--verbose", "--max-time", "20"]).args(more);
        command.args(["--resolve", &format!("{name}:{port}:127.0.0.1"), &format!("https://{name}:{port}/ping")]);
        Process::run("curl", &mut command, Duration::from_secs(30))
    };
    let ca = picture.authority.write_to(picture.vallum.folder());
    let (status, lines) = curl("app.vallum.test", &["--cacert", ca.to_str().unwrap()]);
    assert!(status.success() && lines.iter().any(|l| l == "OK"), "{lines:?}");

    let (status, lines) = curl("nobody-knows.example", &["--cacert", ca.to_str().unwrap()]);
    assert_eq!(status.code(), Some(60), "the certificate of an unknown name is not trusted: {lines:?}");
    let (status, lines) = curl("nobody-knows.example", &["--insecure"]);
    assert!(status.success() && lines.iter().any(|l| l == "OK"), "{lines:?}");
    let shown = openssl_names(&picture, "nobody-knows.example");
    assert!(shown.contains("DNS:nobody-knows.example"), "{shown}");
    assert!(openssl_names(&picture, "app.vallum.test").contains("DNS:*.vallum.test"));
}

/// The names in the certificate that `openssl s_client` is shown for `name`.
fn openssl_names(picture: &Picture, name: &str) -> String {
    let script = "openssl s_client -connect \"$1\" -servername \"$2\" </dev/null 2>/dev/null \
                  | openssl x509 -noout -ext subjectAltName";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", &picture.haproxy.address.to_string(), name]);
    let (status, lines) = Process::run("openssl", &mut command, Duration::from_secs(30));
    assert!(status.success(), "{lines:?}");
    lines.join(" ")
}

#[test]
fn the_demonstration_works_in_a_browser() {
    let folder = TempDir::new().unwrap();
    let mut command = command();
    command.env("HOME", folder.path()).current_dir(folder.path());
    command.args(["dev", "--address", "127.0.0.1:0", "--state-dir"]).arg(folder.path().join("state"));
    let mut dev = Process::start("vallum dev", &mut command);
    let verify = dev.wait_for_line("the URL of the page", |line| {
        let from = line.find("https://verify.localhost")?;
        line[from..].split_whitespace().next().map(str::to_owned)
    });
    let other = |name: &str| verify.replace("verify.", &format!("{name}.")) + "/";
    let report = browse(
        "dev",
        json!({
            "map": "*.localhost",
            "start": format!("{verify}/"),
            "admins": other("admin"),
            "public": other("public"),
        }),
    );
    let text = |page: &str| report[page]["text"].as_str().unwrap_or_default().to_lowercase();
    assert_eq!(report["allowed"]["status"], 200);
    assert!(text("allowed").contains("alice@"), "{}", text("allowed"));
    assert!(text("allowed").contains("it is proven"), "the page says that the assertion holds: {}", text("allowed"));
    assert_eq!(report["admins"]["status"], 200);
    assert_eq!(report["open"]["status"], 200);
    assert_eq!(report["denied"]["status"], 403);
    assert!(text("denied").contains("admins"), "the failed condition is named: {}", text("denied"));
    dev.signal(rustix::process::Signal::INT);
    assert_eq!(dev.wait(Duration::from_secs(30)).code(), Some(0));
}

#[test]
fn the_demonstration_binds_loopback_only() {
    let folder = TempDir::new().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let mut command = command();
        command.current_dir(folder.path()).args(["dev", "--address", address, "--state-dir"]);
        let (status, lines) = Process::run("vallum dev", command.arg(folder.path()), Duration::from_secs(20));
        assert!(!status.success() && lines.join(" ").contains("loopback"), "{address}: {lines:?}");
    }
}
