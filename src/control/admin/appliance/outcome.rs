//! What came of the last update, where the keeper leaves it for everybody: a small file in its folder.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The file, in the keeper's folder.
pub const FILE: &str = "last-update.json";
/// Longest file, in bytes.
const BYTES_MAX: u64 = 4096;

/// What came of an update, or of the start of another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Unix seconds.
    pub at: u64,
    /// What it was about, where that became known.
    pub version: Option<String>,
    /// Why it failed, in one line; `None`: it did not.
    pub error: Option<String>,
}

/// What lies in `folder`; `None` when there is nothing that can be read.
pub fn read(folder: &Path) -> Option<Outcome> {
    let mut text = Vec::new();
    File::open(folder.join(FILE)).ok()?.take(BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        let whole = r#"{"at": 7, "version": "1.1.0", "error": "no"}"#;
        for (text, seen) in [(whole, true), (&whole[..20], false), ("[]", false), ("", false)] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(read(folder.path()).is_some(), seen, "{text}");
        }
        std::fs::write(folder.path().join(FILE), format!("{whole}{}", " ".repeat(5000))).unwrap();
        assert!(read(folder.path()).is_some(), "what stands behind the first 4096 bytes is not looked at");
    }
}
