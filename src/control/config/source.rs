//! The files of a configuration: its own text and those that it names. All reading is bounded.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::credentials;
use super::hash::Fnv;

/// Largest configuration file, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Largest file that a configuration may name (a secret, a certificate, a CA bundle), in bytes.
pub const NAMED_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a file could not be read. The content is never part of the message.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("{1} ({0})")]
    Io(PathBuf, std::io::Error),
    #[error("{0} is a directory, expected a file")]
    Directory(PathBuf),
    #[error("{0} is larger than the limit of {1} bytes")]
    Size(PathBuf, u64),
    #[error("{0} is not UTF-8 text; save it as UTF-8")]
    Utf8(PathBuf),
    #[error("{0}: configurations in {1} are not supported; write it as YAML or JSON")]
    Format(PathBuf, &'static str),
}

/// The text of a configuration file, without a byte order mark.
pub(super) fn text(path: &Path) -> Result<String, SourceError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "toml" => return Err(SourceError::Format(path.into(), "TOML")),
        "properties" | "props" | "prop" => return Err(SourceError::Format(path.into(), "Java properties")),
        "ini" | "env" | "dotenv" | "hcl" | "tfvars" => return Err(SourceError::Format(path.into(), "this format")),
        _ => {}
    }
    let bytes = bytes(path, CONFIG_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| SourceError::Utf8(path.into()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, SourceError> {
    let io = |e| SourceError::Io(path.into(), e);
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(SourceError::Directory(path.into()));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(SourceError::Size(path.into(), limit));
    }
    Ok(bytes)
}

/// The files that a configuration names: watched for changes, part of the checksum.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Each file that was asked for, and a sum over its content.
    asked: RefCell<Vec<(PathBuf, u64)>>,
    credentials: Option<PathBuf>,
}

impl Files {
    /// Files of which some are credentials in that folder.
    pub(super) fn beside(credentials: Option<PathBuf>) -> Files {
        Files { credentials, ..Files::default() }
    }

    /// The content of a named file. The path is relative to the working directory; a bare name may be that of a credential.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let credential = credentials::named(self.credentials.as_deref(), path);
        let path = credential.unwrap_or_else(|| PathBuf::from(path));
        let content = bytes(&path, NAMED_FILE_BYTES_MAX);
        let sum = Fnv::new().part(content.as_deref().unwrap_or_default()).sum();
        self.asked.borrow_mut().push((path, sum));
        content
    }

    /// The content of a named text file, without surrounding white space.
    pub(super) fn text(&self, path: &str) -> Result<String, SourceError> {
        let text = String::from_utf8(self.read(path)?).map_err(|_| SourceError::Utf8(path.into()))?;
        Ok(text.trim().to_owned())
    }

    /// A sum over the contents of all files read so far, in a fixed order.
    pub(super) fn sum(&self) -> u64 {
        let mut files = self.asked.borrow().clone();
        files.sort();
        files.dedup();
        files.iter().fold(Fnv::new(), |sum, (_, content)| sum.part(&content.to_le_bytes())).sum()
    }

    /// Every file that was asked for, also those that could not be read, sorted.
    pub(super) fn finish(self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.asked.into_inner().into_iter().map(|(path, _)| path).collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_a_configuration_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let large = file("large.yaml", b"");
        File::options().write(true).open(&large).unwrap().set_len(CONFIG_BYTES_MAX + 1).unwrap();
        for (path, part) in [
            (directory.path().join("missing.yaml"), "No such file"),
            (directory.path().to_owned(), "is a directory"),
            (large, "larger than the limit"),
            (file("latin1.yaml", b"a: \xe4"), "not UTF-8"),
            (file("a.toml", b""), "TOML"),
            (file("a.properties", b""), "Java properties"),
        ] {
            let error = text(&path).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
        assert_eq!(text(&file("bom.yaml", b"\xef\xbb\xbfa: 1")).unwrap(), "a: 1");
    }

    #[test]
    fn named_files_are_trimmed_watched_and_summed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, "  abc\r\n").unwrap();
        let files = Files::default();
        assert_eq!(files.text(path.to_str().unwrap()).unwrap(), "abc");
        assert!(files.text("/nonexistent/x").is_err());
        assert_ne!(files.sum(), Files::default().sum());
        assert_eq!(files.finish(), [PathBuf::from("/nonexistent/x"), path]);
    }
}
