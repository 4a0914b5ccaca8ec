//! How far it is, told to whoever asked.

use std::io::Write;

use crate::control::admin::appliance::door::{Line, Progress, Step};

/// Bytes between two lines: few enough that a slow source is not taken for a silent keeper.
const EVERY_BYTES: u64 = 256 * 1024;

/// Lines of progress. Whoever does not listen stops nothing.
pub struct Telling<'o> {
    out: Option<&'o mut dyn Write>,
    now: Progress,
    told: u64,
}

impl<'o> Telling<'o> {
    pub fn to(out: &'o mut dyn Write) -> Telling<'o> {
        Telling { out: Some(out), ..Telling::nobody() }
    }

    pub fn nobody() -> Telling<'o> {
        Telling { out: None, now: Progress { step: Step::Fetching, bytes: 0, total: 0 }, told: 0 }
    }

    /// `total` bytes are to be done.
    pub fn begin(&mut self, step: Step, total: u64) {
        self.now = Progress { step, bytes: 0, total };
        self.tell();
    }

    /// So many more are done.
    pub fn advance(&mut self, bytes: u64) {
        self.now.bytes += bytes;
        if self.now.bytes - self.told >= EVERY_BYTES || self.now.bytes == self.now.total {
            self.tell();
        }
    }

    /// The last line.
    pub fn end(&mut self, line: &Line) {
        self.say(line);
    }

    fn tell(&mut self) {
        self.told = self.now.bytes;
        self.say(&Line::Progress(self.now.clone()));
    }

    fn say(&mut self, line: &Line) {
        let Some(out) = &mut self.out else { return };
        if out.write_all(line.text().as_bytes()).and_then(|()| out.flush()).is_err() {
            self.out = None;
        }
    }
}
