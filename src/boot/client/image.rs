//! The verbs of the image that change something. An upgrade tells how far it is while it lasts.

use std::io::{IsTerminal, Write};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::Value;

use super::ask::{Asking, ClientError};
use super::show::{clean, plain};
use crate::boot::cli::Upgrade;
use crate::control::admin::appliance::door::{self, LINE_BYTES_MAX, Line, Progress, Rollback, Step};

/// Bytes of a megabyte, as disks and networks count.
const MB: f64 = 1e6;

impl Asking {
    pub(super) fn upgrade(&self, wanted: &Upgrade) -> Result<bool, ClientError> {
        let Upgrade { source, reboot, retry } = wanted.clone();
        let options = serde_json::json!(door::Upgrade { source, reboot, retry }).to_string();
        let mut lines = Lines::default();
        let mut meter = Meter::new(std::io::stderr().is_terminal());
        let status = self.follow(Method::POST, "/v1/image/upgrade", options.into(), |some| {
            lines.take(some, |progress| meter.show(&progress));
        })?;
        meter.end();
        match lines.last {
            Some(Line::Done(answer)) => {
                println!("{}", upgraded(&answer, wanted.reboot));
                Ok(true)
            }
            Some(Line::Failed(why)) => {
                eprintln!("vallum: {}", clean(&why));
                Ok(false)
            }
            _ => match serde_json::from_slice(&lines.rest) {
                Ok(answer) => self.deny(&answer, status),
                Err(_) => Err(self.strange(status)),
            },
        }
    }

    pub(super) fn rollback(&self, reboot: bool) -> Result<bool, ClientError> {
        let options = serde_json::json!(Rollback { reboot }).to_string();
        let (status, answer) = self.ask(Method::POST, "/v1/image/rollback", Bytes::from(options))?;
        if status != StatusCode::OK {
            return self.deny(&answer, status);
        }
        println!("{}", next(&answer, reboot));
        Ok(true)
    }
}

fn upgraded(answer: &Value, reboot: bool) -> String {
    let (offered, running) = (plain(&answer["offered"]), plain(&answer["running"]));
    match (answer["changed"] == true, answer["next"] == answer["offered"] && offered != running) {
        (true, _) => format!("version {offered} is written; {}", next(answer, reboot)),
        (false, true) => format!("version {offered} was written before; {}", next(answer, reboot)),
        (false, false) => format!("version {running} runs, and nothing later is offered"),
    }
}

fn next(answer: &Value, reboot: bool) -> String {
    let version = plain(&answer["next"]);
    match reboot {
        true => format!("the machine starts again, with version {version}"),
        false => format!("version {version} is taken at the next start"),
    }
}

/// Lines out of the pieces that they come in. An answer that has none is kept as it is.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    last: Option<Line>,
}

impl Lines {
    fn take(&mut self, some: &[u8], mut progress: impl FnMut(Progress)) {
        for byte in some {
            if self.rest.len() < LINE_BYTES_MAX {
                self.rest.push(*byte);
            }
            if *byte == b'\n'
                && let Ok(line) = serde_json::from_slice(&self.rest)
            {
                self.rest.clear();
                match line {
                    Line::Progress(now) => progress(now),
                    last => self.last = Some(last),
                }
            }
        }
    }
}

/// Shows progress on standard error: one line that changes for a person, a line for each tenth otherwise.
struct Meter {
    is_terminal: bool,
    shown: Option<(Step, u64)>,
}

impl Meter {
    fn new(is_terminal: bool) -> Meter {
        Meter { is_terminal, shown: None }
    }

    fn show(&mut self, now: &Progress) {
        let tenth = now.bytes.saturating_mul(10) / now.total.max(1);
        if !self.is_terminal && self.shown == Some((now.step, tenth)) {
            return;
        }
        self.shown = Some((now.step, tenth));
        let step = match now.step {
            Step::Fetching => "fetching",
            Step::Writing => "writing",
        };
        let text = format!("{step} {:.1} of {:.1} MB", now.bytes as f64 / MB, now.total as f64 / MB);
        // Progress that cannot be shown stops nothing.
        let _ = match self.is_terminal {
            true => write!(std::io::stderr(), "\r{text}  "),
            false => writeln!(std::io::stderr(), "{text}"),
        };
    }

    fn end(&self) {
        if self.is_terminal && self.shown.is_some() {
            let _ = writeln!(std::io::stderr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_come_in_any_pieces() {
        let progress = Line::Progress(Progress { step: Step::Fetching, bytes: 1, total: 2 });
        let text = format!("{}{}", progress.text(), Line::Done(json!({"changed": true})).text());
        for size in 1..text.len() {
            let (mut lines, mut seen) = (Lines::default(), 0);
            for piece in text.as_bytes().chunks(size) {
                lines.take(piece, |_| seen += 1);
            }
            assert_eq!((seen, lines.last), (1, Some(Line::Done(json!({"changed": true})))), "{size}");
        }
        let mut lines = Lines::default();
        lines.take(b"{\n  \"error\": \"no\"\n}\n", |_| unreachable!());
        assert_eq!(serde_json::from_slice::<Value>(&lines.rest).unwrap(), json!({"error": "no"}));
        lines.take(&[b'x'; 2 * LINE_BYTES_MAX], |_| unreachable!());
        assert_eq!(lines.rest.len(), LINE_BYTES_MAX);
    }

    #[test]
    fn what_came_of_it_is_one_sentence() {
        let answer = json!({"running": "1.0.0", "offered": "1.1.0", "next": "1.1.0", "changed": true});
        assert_eq!(upgraded(&answer, false), "version 1.1.0 is written; version 1.1.0 is taken at the next start");
        let answer = json!({"running": "1.0.0", "offered": "1.1.0", "next": "1.1.0", "changed": false});
        assert!(upgraded(&answer, true).starts_with("version 1.1.0 was written before; the machine starts again"));
        let answer = json!({"running": "1.0.0", "offered": "1.0.0", "next": "1.0.0", "changed": false});
        assert_eq!(upgraded(&answer, true), "version 1.0.0 runs, and nothing later is offered");
    }
}
