//! Why a request is allowed or refused: a configuration's policies asked about requests that are made up, offline.
//!
//! `case` is who asks for what, `target` finds the route as the data plane would, `answer` is what the policy says
//! about it, `change` the least that would have to be different, `text` and `json` say it. `log` makes a case of a
//! decision that was logged. Nothing here talks to a running instance.

mod answer;
mod case;
mod change;
mod json;
mod log;
mod target;
mod text;

#[cfg(test)]
mod tests;

pub use answer::{Answer, verdict_name};
pub use case::{Case, Who};
pub use change::{Change, smallest};
pub use json::{answer as answer_json, logged as logged_json};
pub use log::{LINE_BYTES_MAX, Line, LogError, Logged, find};
pub use target::{Found, TargetError, route};
pub use text::{answer as answer_text, logged as logged_text};
