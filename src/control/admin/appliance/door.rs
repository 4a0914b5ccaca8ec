//! The door to the keeper of the image: one line is asked, lines of progress come back, the last one is the answer.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::ApplianceError;

/// The socket, in the keeper's folder.
pub const SOCKET: &str = "keeper.sock";
/// Longest line of either side, in bytes, with its end.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// Longest silence of the keeper: it waits this long for no source and for no disk.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// What the keeper is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Which versions there are, and which one runs.
    Status,
    /// Bring a later version into the other slot.
    Upgrade(Upgrade),
    /// Start the other version next time.
    Rollback(Rollback),
}

/// How to upgrade.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upgrade {
    /// A folder of the machine, or the URL of one; `None`: as the machine was told.
    pub source: Option<String>,
    /// Start the machine again when another version is there to be started.
    pub reboot: bool,
    /// Take a version that failed before.
    pub retry: bool,
}

/// How to go back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rollback {
    /// Start the machine again.
    pub reboot: bool,
}

/// One line of the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    Progress(Progress),
    /// All is done, and this is what there is to say about it.
    Done(Value),
    /// Why it could not be done; nothing was changed unless it says so.
    Failed(String),
}

impl Line {
    /// The line with its end.
    pub fn text(&self) -> String {
        format!("{}\n", serde_json::json!(self))
    }
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub step: Step,
    /// Bytes done, and of how many.
    pub bytes: u64,
    pub total: u64,
}

/// What takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The release is read from its source and compared with what was signed.
    Fetching,
    /// The other slot is written.
    Writing,
}

/// An answer that is under way.
pub(super) struct Answer {
    lines: BufReader<UnixStream>,
}

/// Asks the keeper whose socket is in `folder`.
pub(super) async fn ask(folder: &Path, request: &Request) -> Result<Answer, ApplianceError> {
    let path = folder.join(SOCKET);
    let text = format!("{}\n", serde_json::json!(request));
    let asked = async {
        let mut stream = UnixStream::connect(&path).await?;
        stream.write_all(text.as_bytes()).await?;
        Ok(stream)
    };
    match tokio::time::timeout(SILENCE_MAX, asked).await {
        Ok(Ok(stream)) => Ok(Answer { lines: BufReader::new(stream) }),
        Ok(Err(error)) => Err(ApplianceError::Unreachable(path, error)),
        Err(_) => Err(ApplianceError::Silent(SILENCE_MAX.as_secs())),
    }
}

impl Answer {
    /// The next line.
    pub(super) async fn next(&mut self) -> Result<Line, ApplianceError> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.lines).take(LINE_BYTES_MAX as u64);
        match tokio::time::timeout(SILENCE_MAX, bounded.read_until(b'\n', &mut line)).await {
            Ok(Ok(0)) => Err(ApplianceError::BrokeOff),
            Ok(Ok(_)) => serde_json::from_slice(&line).map_err(|_| ApplianceError::Strange),
            Ok(Err(_)) => Err(ApplianceError::BrokeOff),
            Err(_) => Err(ApplianceError::Silent(SILENCE_MAX.as_secs())),
        }
    }

    /// The last line, as it was meant.
    pub(super) async fn done(mut self) -> Result<Value, ApplianceError> {
        loop {
            match self.next().await? {
                Line::Progress(_) => {}
                Line::Done(value) => return Ok(value),
                Line::Failed(why) => return Err(ApplianceError::Refused(why)),
            }
        }
    }
}
