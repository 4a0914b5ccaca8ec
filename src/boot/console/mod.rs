//! `vallum console`: what a person in front of the machine must know, drawn anew when it changes.

mod machine;
mod picture;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::cli::Console;
use super::client;
use super::setup;
use crate::net::interfaces;
use picture::Picture;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A terminal with a screen of its own, which is cleared first; any other is taken for a line that somebody records.
const SCREEN: &str = "linux";
/// Cursor to the top left, everything erased (ECMA-48).
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Draws until the terminal goes away; once with `--once`.
pub fn run(wanted: &Console) -> ExitCode {
    let is_screen = std::env::var_os("TERM").is_some_and(|term| term == SCREEN);
    let mut out = std::io::stdout();
    let mut drawn = String::new();
    loop {
        let picture = look(&wanted.socket).draw();
        // A serial line is a log as well: it gets what is new, not the same again and again.
        if picture != drawn {
            let clear = if is_screen { CLEAR } else { "" };
            // In one write, so that nobody else's line stands in the middle.
            if out.write_all(format!("{clear}{picture}").as_bytes()).and_then(|()| out.flush()).is_err() {
                return ExitCode::FAILURE;
            }
            drawn = picture;
        }
        if wanted.once {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn look(socket: &Path) -> Picture {
    Picture {
        image: machine::image(),
        slot: machine::slot(),
        addresses: interfaces::addresses().unwrap_or_default(),
        status: client::status(socket),
        // The set-up leaves it beside the socket.
        waiting: setup::Waiting::read(&socket.with_file_name(setup::NOTE)),
    }
}
