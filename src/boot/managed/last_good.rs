//! The last good configuration: what served last, kept so that a bad file after a restart does not leave nothing.
//!
//! It is sealed: the text may hold secrets. The key is the credential `vallum.machine_key`, else a file beside it that
//! this user alone may read; then the seal is worth what the disk's encryption is.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::control::config::CONFIG_BYTES_MAX;
use crate::crypto::seal::Sealer;
use crate::crypto::secret::{Purpose, Secret, SecretError};

/// The sealed text, in the state folder.
const TEXT: &str = "last-good.sealed";
/// The key, in the state folder or among the credentials.
const KEY: &str = "machine.key";
const KEY_CREDENTIAL: &str = "vallum.machine_key";
/// Distinguishes it from whatever else the key may seal.
const CONTEXT: &[u8] = b"last good configuration";
/// base64 of the largest configuration, with nonce and tag.
const SEALED_BYTES_MAX: u64 = CONFIG_BYTES_MAX / 3 * 4 + 1024;
const KEY_BYTES_MAX: u64 = 1024;

/// Why there is no last good configuration.
#[derive(Debug, thiserror::Error)]
pub enum LastGoodError {
    #[error("{path}: {1}", path = .0.display())]
    Io(PathBuf, io::Error),
    #[error("{path}: {1}", path = .0.display())]
    Key(PathBuf, SecretError),
    #[error("{path} was not sealed by this machine, or was changed since", path = .0.display())]
    NotGenuine(PathBuf),
}

/// Where it is kept, and by which key.
pub struct LastGood {
    file: PathBuf,
    sealer: Sealer,
}

impl LastGood {
    /// In the folder `state`; the key is made when there is none.
    pub fn open(state: &Path, credentials: Option<&Path>) -> Result<LastGood, LastGoodError> {
        let key = match credentials.map(|folder| folder.join(KEY_CREDENTIAL)).filter(|file| file.is_file()) {
            Some(credential) => read_key(&credential)?,
            None => own_key(&state.join(KEY))?,
        };
        Ok(LastGood { file: state.join(TEXT), sealer: Sealer::new(&key.derive(Purpose::LastGood)) })
    }

    /// Keeps `text` in the place of what was kept before: wholly, or not at all.
    pub fn keep(&self, text: &str) -> Result<(), LastGoodError> {
        let sealed = self.sealer.seal(text.as_bytes(), CONTEXT);
        replace(&self.file, sealed.as_bytes()).map_err(|error| LastGoodError::Io(self.file.clone(), error))
    }

    /// What was kept; `None` when nothing ever was.
    pub fn recall(&self) -> Result<Option<String>, LastGoodError> {
        let sealed = match read(&self.file, SEALED_BYTES_MAX) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            outcome => outcome.map_err(|error| LastGoodError::Io(self.file.clone(), error))?,
        };
        let text = self.sealer.open(&sealed, CONTEXT).ok().and_then(|text| String::from_utf8(text).ok());
        text.map(Some).ok_or_else(|| LastGoodError::NotGenuine(self.file.clone()))
    }
}

/// Writes `bytes` to `file`, which this user alone may read: a new file, then its name. A power cut leaves the old one
/// or the new one.
pub fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    written.write_all(bytes)?;
    written.sync_all()?;
    std::fs::rename(&new, file)?;
    File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn own_key(file: &Path) -> Result<Secret, LastGoodError> {
    if !file.exists() {
        let made = Secret::random();
        let io = |error| LastGoodError::Io(file.to_owned(), error);
        replace(file, made.to_base64().as_bytes()).map_err(io)?;
    }
    read_key(file)
}

fn read_key(file: &Path) -> Result<Secret, LastGoodError> {
    let bytes = read(file, KEY_BYTES_MAX).map_err(|error| LastGoodError::Io(file.to_owned(), error))?;
    Secret::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| LastGoodError::Key(file.to_owned(), error))
}

fn read(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("larger than the limit of {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_was_kept_is_recalled_by_the_same_machine_alone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = LastGood::open(folder.path(), None).unwrap();
        assert_eq!(kept.recall().unwrap(), None);
        for text in ["routes: []", "shared_secret: hidden"] {
            kept.keep(text).unwrap();
            assert_eq!(LastGood::open(folder.path(), None).unwrap().recall().unwrap().as_deref(), Some(text));
        }
        for name in [TEXT, KEY] {
            let file = folder.path().join(name);
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
            assert!(!std::fs::read_to_string(&file).unwrap().contains("hidden"), "{name}");
        }
        std::fs::remove_file(folder.path().join(KEY)).unwrap();
        let stranger = LastGood::open(folder.path(), None).unwrap();
        assert!(matches!(stranger.recall(), Err(LastGoodError::NotGenuine(_))));
    }

    #[test]
    fn a_credential_is_the_key_when_there_is_one() {
        let (state, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(credentials.path().join(KEY_CREDENTIAL), Secret::random().to_base64()).unwrap();
        let kept = LastGood::open(state.path(), Some(credentials.path())).unwrap();
        kept.keep("a: 1").unwrap();
        assert!(!state.path().join(KEY).exists());
        std::fs::write(credentials.path().join(KEY_CREDENTIAL), "short").unwrap();
        assert!(matches!(LastGood::open(state.path(), Some(credentials.path())), Err(LastGoodError::Key(..))));
    }
}
