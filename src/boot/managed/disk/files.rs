//! What is taken from a config disk. All of it is hostile: only regular files of known names, each bounded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::boot::managed::{NAME, USER_DATA};
use crate::control::config::CONFIG_BYTES_MAX;

/// Names of a disk's root folder that are looked at.
const NAMES_MAX: usize = 1024;
/// Bytes of one credential, and of all: systemd hands a unit one mebibyte at most.
const CREDENTIAL_BYTES_MAX: u64 = 256 * 1024;
const CREDENTIALS_BYTES_MAX: usize = 512 * 1024;
const CREDENTIALS_MAX: usize = 64;
const CREDENTIAL_NAME_MAX: usize = 128;
/// Names of our credentials begin so; the service takes no others.
const PREFIX: &str = "vallum.";
/// NoCloud's description of the network.
const NETWORK_CONFIG: &str = "network-config";

/// How a disk is laid out; its label says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Files with the names of credentials.
    Files,
    /// cloud-init's NoCloud: `user-data`, which holds our configuration.
    NoCloud,
}

impl Layout {
    /// By the word that the udev rule uses.
    pub fn named(word: &str) -> Option<Layout> {
        match word {
            "files" => Some(Layout::Files),
            "nocloud" => Some(Layout::NoCloud),
            _ => None,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Layout::Files => "VALLUMCONF",
            Layout::NoCloud => "cidata",
        }
    }
}

/// What the disks gave.
#[derive(Debug, Default)]
pub struct Taken {
    /// The configuration, with the name that it is kept by.
    pub configuration: Option<(&'static str, Vec<u8>)>,
    pub credentials: Vec<(String, Vec<u8>)>,
    pub problems: Vec<String>,
    pub notices: Vec<String>,
    /// Whether a configuration was meant to be there and could not be read.
    pub is_lost: bool,
}

impl Taken {
    /// Nothing, though a configuration may have been meant.
    pub fn lost(problem: String) -> Taken {
        Taken { problems: vec![problem], is_lost: true, ..Taken::default() }
    }

    /// Adds what another disk gave; the first configuration stays.
    pub fn add(&mut self, other: Taken) {
        self.configuration = self.configuration.take().or(other.configuration);
        self.credentials.extend(other.credentials);
        self.problems.extend(other.problems);
        self.notices.extend(other.notices);
        self.is_lost |= other.is_lost;
    }
}

/// Takes what lies in the root folder of a disk.
pub fn take(folder: &Path, layout: Layout) -> Taken {
    match layout {
        Layout::Files => credentials(folder),
        Layout::NoCloud => no_cloud(folder),
    }
}

fn no_cloud(folder: &Path) -> Taken {
    let mut taken = Taken::default();
    if folder.join(NETWORK_CONFIG).exists() {
        let text =
            "network-config is not read: give `ip=` on the kernel's command line or a credential network.network.NAME";
        taken.notices.push(text.to_owned());
    }
    match read(&folder.join(USER_DATA), CONFIG_BYTES_MAX) {
        Ok(bytes) => taken.configuration = Some((USER_DATA, bytes)),
        Err(error) => taken.add(Taken::lost(format!("{USER_DATA}: {error}"))),
    }
    taken
}

fn credentials(folder: &Path) -> Taken {
    let mut taken = Taken::default();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return Taken::lost(error.to_string()),
    };
    for entry in entries.take(NAMES_MAX) {
        let name = match entry {
            Ok(entry) => entry.file_name(),
            Err(error) => {
                taken.add(Taken::lost(error.to_string()));
                break;
            }
        };
        match name.to_str() {
            Some(NAME) => match read(&folder.join(NAME), CONFIG_BYTES_MAX) {
                Ok(bytes) => taken.configuration = Some((NAME, bytes)),
                Err(error) => taken.add(Taken::lost(format!("{NAME}: {error}"))),
            },
            Some(name) if is_credential(name) => credential(folder, name, &mut taken),
            _ => {}
        }
    }
    taken
}

fn credential(folder: &Path, name: &str, taken: &mut Taken) {
    let total: usize = taken.credentials.iter().map(|(_, bytes)| bytes.len()).sum();
    match read(&folder.join(name), CREDENTIAL_BYTES_MAX) {
        Ok(bytes) if taken.credentials.len() < CREDENTIALS_MAX && total + bytes.len() <= CREDENTIALS_BYTES_MAX => {
            taken.credentials.push((name.to_owned(), bytes));
        }
        Ok(_) => taken.problems.push(format!(
            "{name}: left out, the limit is {CREDENTIALS_MAX} credentials and {CREDENTIALS_BYTES_MAX} bytes in all"
        )),
        Err(error) => taken.problems.push(format!("{name}: {error}")),
    }
}

fn is_credential(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.starts_with(PREFIX) && name.len() <= CREDENTIAL_NAME_MAX && name.bytes().all(is_plain)
}

/// A regular file of at most `limit` bytes. A link is not followed, and nothing that blocks is waited for.
fn read(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened: File =
        OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(file).map_err(plain)?;
    if !opened.metadata()?.is_file() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "expected a regular file, found a folder or something else",
        ));
    }
    let mut bytes = Vec::new();
    opened.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("larger than the limit of {limit} bytes")));
    }
    Ok(bytes)
}

/// What opening a link says otherwise ("too many levels") misleads.
fn plain(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::NotFound => io::Error::new(ErrorKind::NotFound, "expected on this disk, and not there"),
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            io::Error::new(ErrorKind::InvalidInput, "expected a regular file, found a symbolic link")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    #[test]
    fn our_names_are_taken_and_no_others() {
        let folder = disk(&[("vallum.yaml", b"a"), ("vallum.ca", b"b"), ("readme", b"c"), ("vallum.b\tad", b"d")]);
        let taken = take(folder.path(), Layout::Files);
        assert_eq!(taken.configuration, Some((NAME, b"a".to_vec())));
        assert_eq!(taken.credentials, vec![("vallum.ca".to_owned(), b"b".to_vec())]);
        assert!(taken.problems.is_empty() && !taken.is_lost, "{taken:?}");
    }

    #[test]
    fn user_data_is_the_configuration() {
        let folder = disk(&[("user-data", b"a"), ("meta-data", b""), ("network-config", b"")]);
        let taken = take(folder.path(), Layout::NoCloud);
        assert_eq!(taken.configuration, Some((USER_DATA, b"a".to_vec())));
        assert!(taken.notices[0].starts_with("network-config is not read"));
        let empty = take(disk(&[]).path(), Layout::NoCloud);
        assert!(empty.is_lost && empty.problems[0].contains("not there"), "{empty:?}");
    }

    #[test]
    fn bad_files_are_said_and_left() {
        let folder = disk(&[("vallum.ca", b"good")]);
        let path = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("/etc/passwd", path("vallum.yaml")).unwrap();
        fs::create_dir(path("vallum.shared_secret")).unwrap();
        let huge = File::create(path("vallum.certificate")).unwrap();
        huge.set_len(CREDENTIAL_BYTES_MAX + 1).unwrap();
        let taken = take(folder.path(), Layout::Files);
        assert!(taken.is_lost && taken.configuration.is_none());
        assert_eq!(taken.credentials.len(), 1);
        let said = taken.problems.join("\n");
        for problem in [
            "vallum.yaml: expected a regular file, found a symbolic link",
            "vallum.shared_secret: expected a regular file, found a folder",
            "vallum.certificate: larger than the limit of 262144 bytes",
        ] {
            assert!(said.contains(problem), "{said}");
        }
    }

    #[test]
    fn all_credentials_together_are_bounded() {
        let large = vec![b'x'; CREDENTIAL_BYTES_MAX as usize];
        let folder = disk(&[("vallum.a", &large), ("vallum.b", &large), ("vallum.c", &large)]);
        let taken = take(folder.path(), Layout::Files);
        assert_eq!((taken.credentials.len(), taken.problems.len()), (2, 1), "{:?}", taken.problems);
    }

    #[test]
    fn the_first_disk_has_the_word() {
        let mut all = Taken { configuration: Some((NAME, b"first".to_vec())), ..Taken::default() };
        all.add(Taken { configuration: Some((USER_DATA, b"second".to_vec())), ..Taken::default() });
        assert_eq!(all.configuration, Some((NAME, b"first".to_vec())));
    }
}
