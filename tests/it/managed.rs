//! A service that finds its configuration by itself: by credential, the last good one, the set-up page, a config disk.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::process::Process;
use crate::harness::scrape::Scrape;
use crate::harness::vallum::{HOST, SHARED_SECRET, and, clear, command, get, listening, public_route, with_defaults};
use crate::harness::{PATIENCE, Upstream, Wire, wait_until};

/// The folders that a service manager makes.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(TempDir::new().unwrap());
        for name in ["state", "runtime", "credentials"] {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self) -> Command {
        let mut command = command();
        let folders =
            [("STATE_DIRECTORY", "state"), ("RUNTIME_DIRECTORY", "runtime"), ("CREDENTIALS_DIRECTORY", "credentials")];
        command.envs(folders.map(|(variable, name)| (variable, self.path().join(name))));
        command.env("HEALTH_CHECK_ADDR", "127.0.0.1:0").env("ADDRESS", "127.0.0.1:0").env("WORKERS", "1");
        command
    }

    fn start(&self) -> Process {
        Process::start("vallum", self.command().args(["run", "--managed"]))
    }

    fn credential(&self, text: &str) {
        std::fs::write(self.path().join("credentials/vallum.yaml"), text).unwrap();
    }

    fn console(&self) -> String {
        let socket = self.path().join("runtime/admin.sock");
        let output = self.command().args(["console", "--once", "--socket"]).arg(socket).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn status(&self) -> Value {
        let socket = self.path().join("runtime/admin.sock");
        let output = self.command().args(["status", "--json", "--socket"]).arg(socket).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
    }
}

fn good(upstream: &Upstream) -> String {
    with_defaults(&clear(json!([public_route(HOST, json!(upstream.url()))]))).to_string()
}

#[test]
fn a_bad_configuration_at_the_start_gives_way_to_the_last_good_one() {
    let (place, upstream) = (Place::new(), Upstream::echo());
    place.credential("routes: none\n");
    let mut never = place.start();
    assert_eq!(never.wait(PATIENCE).code(), Some(78), "there is no good one yet");

    place.credential(&good(&upstream));
    let mut first = place.start();
    first.wait_for_line("the main listener", |line| listening(line, "main"));
    let sealed = place.path().join("state/last-good.sealed");
    let sealed = wait_until("the kept configuration", || std::fs::read_to_string(&sealed).ok());
    assert!(!sealed.contains(SHARED_SECRET) && !sealed.contains(HOST));
    first.kill_with_children();

    place.credential("routes: none\n");
    let mut second = place.start();
    let address = second.wait_for_line("the main listener", |line| listening(line, "main"));
    second.wait_for_line("a word on the console", |line| line.contains("IS BAD; the LAST GOOD").then_some(()));
    assert_eq!(Wire::clear(address).ask(get(HOST, "/", "")).status, 200);
    let metrics = second.wait_for_line("the metrics listener", |line| listening(line, "metrics"));
    let resorted = || {
        let answer = Wire::clear(metrics).ask(get("m", "/metrics", "Connection: close\r\n"));
        Scrape::parse(&answer.text()).value("vallum_config_last_good_in_force", &[])
    };
    wait_until("the metric", || (resorted() == 1.0).then_some(()));
    assert!(place.status()["last_error"]["why"].as_str().unwrap().starts_with("the last good configuration serves; "));
    assert!(place.console().contains("the last good configuration serves"));

    place.credential(&good(&upstream));
    second.signal(Signal::HUP);
    wait_until("the good one", || (resorted() == 0.0).then_some(()));
    assert_eq!(place.status()["last_error"], Value::Null);
}

#[test]
fn a_last_good_configuration_whose_files_are_gone_says_what_it_misses() {
    let (place, upstream) = (Place::new(), Upstream::echo());
    let secret = place.path().join("client-secret");
    std::fs::write(&secret, "it").unwrap();
    let more = json!({
        "idp_provider": "oidc", "idp_provider_url": "https://idp.example", "idp_client_id": "us", "idp_client_secret_file": secret,
    });
    let plain = with_defaults(&clear(json!([public_route(HOST, json!(upstream.url()))])));
    place.credential(&and(plain, more).to_string());
    let mut first = place.start();
    let sealed = place.path().join("state/last-good.sealed");
    wait_until("the kept configuration", || sealed.exists().then_some(()));
    first.kill_with_children();

    std::fs::remove_file(&secret).unwrap();
    place.credential("routes: none\n");
    let mut second = place.start();
    assert_eq!(second.wait(PATIENCE).code(), Some(78));
    let lines = second.lines();
    let said = lines.iter().find(|line| line.contains("the last good configuration is not good any more: "));
    assert!(said.is_some_and(|line| line.contains("client-secret")), "{lines:?}");
}

#[test]
fn without_a_configuration_one_is_asked_for_and_then_served() {
    let (place, upstream) = (Place::new(), Upstream::echo());
    let mut waiting = place.start();
    let address = waiting.wait_for_line("the set-up page", |line| listening(line, "set-up"));
    let token = waiting.wait_for_line("the token", |line| {
        line.starts_with("vallum: no configuration")
            .then(|| line.split("token ").nth(1)?.split(' ').next().map(str::to_owned))?
    });
    assert!(place.console().contains(&token), "{}", place.console());
    let form = Wire::tls(address, "vallum.local").ask(get("vallum.local", "/", "Connection: close\r\n"));
    assert!(form.status == 200 && form.text().contains("<textarea"), "{form:?}");
    let submit = |token: &str, text: &str| {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("configuration", text)
            .finish();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: vallum.local\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
            body.len()
        );
        Wire::tls(address, "vallum.local").ask(head).status
    };
    assert_eq!(submit("AAAAA-AAAAA-AAAAA-AAAAA", &good(&upstream)), 403);
    assert_eq!(submit(&token, "routes: none\n"), 422);
    assert!(!place.path().join("state/config.yaml").exists());
    assert_eq!(submit(&token, &good(&upstream)), 200);
    assert_eq!(waiting.wait(PATIENCE).code(), Some(0));
    let told: Vec<String> = waiting.lines().into_iter().filter(|line| line.contains(&token)).collect();
    assert_eq!(told.len(), 1, "the console, and not the log: {told:?}");

    let mut serving = place.start();
    let address = serving.wait_for_line("the main listener", |line| listening(line, "main"));
    assert_eq!(Wire::clear(address).ask(get(HOST, "/", "")).status, 200);
    assert!(place.console().contains("RUNNING") && place.console().contains(&address.to_string()));
}

#[test]
fn a_config_disk_is_imported_in_either_layout() {
    let (place, upstream, disk) = (Place::new(), Upstream::echo(), TempDir::new().unwrap());
    let import = || place.command().arg("import-config").arg(disk.path()).output().unwrap();
    assert_eq!(import().status.code(), Some(1), "there is nothing on it");
    std::fs::write(disk.path().join("meta-data"), "instance-id: one\n").unwrap();
    std::fs::write(disk.path().join("user-data"), "routes: none\n").unwrap();
    assert_eq!(import().status.code(), Some(78));
    assert!(!place.path().join("state/config.yaml").exists());
    std::fs::write(disk.path().join("user-data"), good(&upstream)).unwrap();
    let imported = import();
    assert_eq!(imported.status.code(), Some(0), "{imported:?}");
    let mut serving = place.start();
    let address = serving.wait_for_line("the main listener", |line| listening(line, "main"));
    assert_eq!(Wire::clear(address).ask(get(HOST, "/", "")).status, 200);
}
