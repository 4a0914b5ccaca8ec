//! What each verb asks, and how its answer is judged. Each returns whether all is well.

use std::io::Write;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::Value;

use super::ask::{Asking, ClientError};
use super::show;
use crate::boot::cli::{Ask, Health, Image, Logs, ReportFormat, Validate};
use crate::control::config::CONFIG_BYTES_MAX;

impl Asking {
    pub(super) fn verb(&self, ask: &Ask) -> Result<bool, ClientError> {
        match ask {
            Ask::Status(wanted) => self.shown("/v1/status", wanted.json, show::status),
            Ask::Routes(wanted) => self.shown("/v1/routes", wanted.json, show::routes),
            Ask::Reload => self.reload(),
            Ask::Logs(wanted) => self.logs(wanted),
            Ask::Image(Image::Status(wanted)) => self.shown("/v1/image", wanted.json, show::image),
            Ask::Image(Image::Upgrade(wanted)) => self.upgrade(wanted),
            Ask::Image(Image::Rollback(wanted)) => self.rollback(wanted.reboot),
        }
    }

    /// Whether every check that is not excluded passes.
    pub(super) fn health(&self, wanted: &Health) -> Result<bool, ClientError> {
        let path = if self.is_probe() { "/status" } else { "/v1/health" };
        let (status, answer) = self.ask(Method::GET, path, Bytes::new())?;
        let checks = answer["statuses"].as_object().ok_or_else(|| self.strange(status))?;
        let mut healthy = true;
        for (name, check) in checks.iter().filter(|(name, _)| !wanted.exclude.contains(name)) {
            let passes = check["status"] == "RUNNING" && check["error"].is_null();
            healthy &= passes;
            if wanted.verbose || !passes {
                println!("{}", show::check(name, check));
            }
        }
        Ok(healthy)
    }

    /// Whether the process itself says that it is ready.
    pub(super) fn ready(&self) -> Result<bool, ClientError> {
        let path = if self.is_probe() { "/readyz" } else { "/v1/health" };
        let (status, answer) = self.ask(Method::GET, path, Bytes::new())?;
        let checks = answer["statuses"].as_object().ok_or_else(|| self.strange(status))?;
        Ok(checks.values().all(|check| check["status"] == "RUNNING" && check["error"].is_null()))
    }

    pub(super) fn validate(&self, wanted: &Validate) -> Result<bool, ClientError> {
        let bad = |error: String| ClientError::File(wanted.file.clone(), error);
        let text = std::fs::read(&wanted.file).map_err(|error| bad(error.to_string()))?;
        if text.len() as u64 > CONFIG_BYTES_MAX {
            return Err(bad(format!("larger than the limit of {CONFIG_BYTES_MAX} bytes")));
        }
        let (status, answer) = self.ask(Method::POST, "/v1/validate", Bytes::from(text))?;
        let valid = answer["valid"].as_bool().ok_or_else(|| self.refused(status, &answer))?;
        match wanted.format {
            ReportFormat::Json => println!("{answer}"),
            ReportFormat::Text => print!("{}", show::report(&answer)),
        }
        if valid && wanted.format == ReportFormat::Text {
            println!("{}: valid", wanted.file.display());
        }
        Ok(valid && !(wanted.strict && answer["warnings"] != 0))
    }

    fn reload(&self) -> Result<bool, ClientError> {
        let (status, answer) = self.ask(Method::POST, "/v1/reload", Bytes::new())?;
        let adopted = answer["adopted"].as_bool().ok_or_else(|| self.refused(status, &answer))?;
        print!("{}", show::report(&answer));
        let generation = &answer["generation"];
        if adopted {
            println!("adopted: generation {generation} is in force");
        } else {
            println!("refused: generation {generation} stays in force");
        }
        Ok(adopted)
    }

    fn logs(&self, wanted: &Logs) -> Result<bool, ClientError> {
        let path = format!("/v1/logs?lines={}&follow={}", wanted.lines, wanted.follow);
        let mut out = std::io::stdout();
        let status = self.follow(Method::GET, &path, Bytes::new(), |some| {
            // A closed pipe ends the program by the next line at the latest.
            let _ = out.write_all(some).and_then(|()| out.flush());
        })?;
        Ok(status == StatusCode::OK)
    }

    pub(super) fn shown(&self, path: &str, json: bool, text: fn(&Value) -> String) -> Result<bool, ClientError> {
        let (status, answer) = self.ask(Method::GET, path, Bytes::new())?;
        if status != StatusCode::OK {
            return self.deny(&answer, status);
        }
        if json {
            println!("{answer}");
        } else {
            print!("{}", text(&answer));
        }
        Ok(true)
    }

    /// The process understood and will not: its reason is the message.
    pub(super) fn deny(&self, answer: &Value, status: StatusCode) -> Result<bool, ClientError> {
        eprintln!("vallum: {}", show::clean(answer["error"].as_str().ok_or_else(|| self.strange(status))?));
        Ok(false)
    }

    fn refused(&self, status: StatusCode, answer: &Value) -> ClientError {
        match answer["error"].as_str() {
            Some(error) => ClientError::Refused(error.to_owned()),
            None => self.strange(status),
        }
    }
}
