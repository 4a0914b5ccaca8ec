//! The binary under test, on ports that it chooses itself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::scrape::Scrape;
use super::{Upstream, Wire, wait_until};

/// 32 bytes in base64, as `shared_secret` wants them.
pub const SHARED_SECRET: &str = "dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=";
const COOKIE_SECRET: &str = "dGhlIGNvb2tpZSBzZWNyZXQgb2YgYWxsIHRlc3RzISE=";

/// The route host of tests that need one route only.
pub const HOST: &str = "app.example.com";

/// `vallum run` with a configuration of its own.
pub struct Vallum {
    pub address: SocketAddr,
    pub process: Process,
    folder: TempDir,
}

impl Vallum {
    /// Starts with `settings` over the defaults of the tests: port 0, metrics, two workers, fixed secrets.
    #[track_caller]
    pub fn start(settings: Value) -> Vallum {
        Vallum::start_in(TempDir::new().expect("a folder"), settings)
    }

    /// As [`Vallum::start`], with the configuration in `folder`.
    #[track_caller]
    pub fn start_in(folder: TempDir, settings: Value) -> Vallum {
        Vallum::start_as(command(), folder, settings)
    }

    /// As [`Vallum::start_in`], by a `command` that has an environment of the test's own.
    #[track_caller]
    pub fn start_as(mut command: Command, folder: TempDir, settings: Value) -> Vallum {
        let file = write_config(folder.path(), &settings);
        let mut process = Process::start("vallum", command.arg("run").arg("--config").arg(file));
        let address = process.wait_for_line("the main listener", |line| listening(line, "main"));
        Vallum { address, process, folder }
    }

    /// Clear text, one public route from [`HOST`] to `upstream`.
    #[track_caller]
    pub fn public(upstream: &Upstream) -> Vallum {
        Vallum::start(clear(json!([public_route(HOST, json!(upstream.url()))])))
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new clear connection.
    pub fn connect(&self) -> Wire {
        Wire::clear(self.address)
    }

    /// A new TLS connection with `name` as SNI.
    #[track_caller]
    pub fn connect_tls(&self, name: &str) -> Wire {
        Wire::tls(self.address, name)
    }

    /// Replaces the configuration file and sends SIGHUP; returns whether the new one was adopted.
    #[track_caller]
    pub fn reload(&self, settings: Value) -> bool {
        write_config(self.folder(), &settings);
        self.hang_up()
    }

    /// As [`Vallum::reload`] with the very text of the file.
    #[track_caller]
    pub fn reload_text(&self, text: &str) -> bool {
        std::fs::write(self.folder().join("config.yaml"), text).unwrap();
        self.hang_up()
    }

    /// Sends SIGHUP and waits for what comes of it, as the metrics tell.
    #[track_caller]
    pub fn hang_up(&self) -> bool {
        let count = |scrape: &Scrape, result| scrape.value("vallum_config_reloads_total", &[("result", result)]);
        let before = self.scrape();
        self.process.signal(Signal::HUP);
        wait_until("the end of a reload", || {
            let now = self.scrape();
            let grew = |result| count(&now, result) > count(&before, result);
            if grew("adopted") { Some(true) } else { grew("refused").then_some(false) }
        })
    }

    /// The address of the metrics listener.
    #[track_caller]
    pub fn metrics_address(&self) -> SocketAddr {
        self.listener("metrics")
    }

    /// The address of a listener besides the main one.
    #[track_caller]
    pub fn listener(&self, name: &str) -> SocketAddr {
        wait_until(name, || self.process.find_line(0, |line| listening(line, name)))
    }

    /// The metrics as text.
    #[track_caller]
    pub fn metrics(&self) -> String {
        let mut wire = Wire::clear(self.metrics_address());
        let answer = wire.ask("GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n");
        assert_eq!(answer.status, 200);
        answer.text()
    }

    #[track_caller]
    pub fn scrape(&self) -> Scrape {
        Scrape::parse(&self.metrics())
    }

    /// Waits until the sum of a metric's series with `labels` is at least `least`.
    #[track_caller]
    pub fn wait_for_metric(&self, name: &str, labels: &[(&str, &str)], least: f64) -> Scrape {
        let what = format!("{name}{labels:?} >= {least}");
        wait_until(&what, || Some(self.scrape()).filter(|s| s.value(name, labels) >= least))
    }

    /// The log so far: the lines that are JSON.
    pub fn log(&self) -> Vec<Value> {
        self.process.lines().iter().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    /// Waits for a log line that has each of `fields`.
    #[track_caller]
    pub fn wait_for_log(&self, fields: &[(&str, Value)]) -> Value {
        wait_until(&format!("a log line with {fields:?}"), || {
            self.log().into_iter().find(|line| fields.iter().all(|(k, v)| line.get(k) == Some(v)))
        })
    }

    /// Lines that tell of a panic.
    pub fn panics(&self) -> Vec<String> {
        self.process.lines().into_iter().filter(|l| l.contains("panicked") || l.contains("a task panicked")).collect()
    }
}

/// The binary, with nothing of this process's environment that could configure it.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vallum"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// `settings` over the defaults of the tests.
pub fn with_defaults(settings: &Value) -> Value {
    let mut all = json!({
        "address": "127.0.0.1:0",
        "metrics_address": "127.0.0.1:0",
        "health_check_addr": "127.0.0.1:0",
        "workers": 2,
        "shared_secret": SHARED_SECRET,
        "cookie_secret": COOKIE_SECRET,
    });
    merge(all.as_object_mut().unwrap(), settings.as_object().expect("settings are a map"));
    all
}

fn merge(all: &mut Map<String, Value>, over: &Map<String, Value>) {
    all.extend(over.iter().map(|(k, v)| (k.clone(), v.clone())));
}

/// Clear text with `routes`.
pub fn clear(routes: Value) -> Value {
    json!({"insecure_server": true, "routes": routes})
}

/// A route that anybody may take.
pub fn public_route(host: &str, to: Value) -> Value {
    json!({"from": format!("https://{host}"), "to": to, "allow_public_unauthenticated_access": true})
}

/// `value` with `more` added to its top level.
pub fn and(mut value: Value, more: Value) -> Value {
    merge(value.as_object_mut().expect("a map"), more.as_object().expect("a map"));
    value
}

/// JSON is YAML: the file is written as JSON.
pub fn write_config(folder: &Path, settings: &Value) -> PathBuf {
    let file = folder.join("config.yaml");
    std::fs::write(&file, serde_json::to_string_pretty(&with_defaults(settings)).unwrap()).unwrap();
    file
}

/// The address in a log line that says that `listener` listens.
pub fn listening(line: &str, listener: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let matches = line["message"] == "listening" && line["listener"] == listener;
    matches.then(|| line["address"].as_str()?.parse().ok()).flatten()
}

/// A GET of `path` from `host`, with more field lines.
pub fn get(host: &str, path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")
}
