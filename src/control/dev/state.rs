//! The state directory: private, used by one process at a time, every file written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::DevError;

/// Only we may read the file.
pub const SECRET_MODE: u32 = 0o600;
/// Anybody who may enter the directory may read the file.
pub const OPEN_MODE: u32 = 0o644;

const DIRECTORY_MODE: u32 = 0o700;
/// Held locked while a process uses the directory; it also marks the directory as ours.
const LOCK_FILE: &str = "vallum.dev.lock";
/// Largest file that is read back, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The directory, locked until dropped.
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Makes the directory (mode 0700) or takes one that is empty or was made by us, and locks it.
    pub fn open(path: &Path) -> Result<Self, DevError> {
        let failed = |cause: String| DevError::Directory { path: path.to_owned(), cause };
        let path = std::path::absolute(path).map_err(|e| failed(e.to_string()))?;
        if path.to_str().is_none() {
            return Err(failed("the name is not UTF-8, so the configuration file could not name it".into()));
        }
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => DirBuilder::new()
                .recursive(true)
                .mode(DIRECTORY_MODE)
                .create(&path)
                .map_err(|e| failed(format!("cannot be made: {e}")))?,
            Err(error) => return Err(failed(error.to_string())),
            Ok(metadata) if !metadata.is_dir() => return Err(failed("is not a directory".into())),
            Ok(metadata) => adopt(&path, metadata.permissions().mode())?,
        }
        let lock = lock(&path)?;
        Ok(StateDir { path, _lock: lock })
    }

    /// The absolute path; it is UTF-8.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The absolute path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file's text, `None` when there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<String>, DevError> {
        self.load(name, false)
    }

    /// The same for a secret: when others could read the file, it is closed to them.
    pub fn read_secret(&self, name: &str) -> Result<Option<String>, DevError> {
        self.load(name, true)
    }

    fn load(&self, name: &str, secret: bool) -> Result<Option<String>, DevError> {
        let path = self.file(name);
        let failed = |source| DevError::Read { path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            return Err(self.corrupt(name, "is not a regular file of at most 64 KiB"));
        }
        if secret && metadata.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(SECRET_MODE)).map_err(failed)?;
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
        String::from_utf8(bytes).map(Some).map_err(|_| self.corrupt(name, "is not text"))
    }

    /// Writes a file whole: a reader sees the old text or the new one, also after a crash.
    pub fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), DevError> {
        let path = self.file(name);
        let fresh = self.file(&format!(".{name}.new"));
        let write = || -> io::Result<()> {
            // A leftover of a crash; nobody else writes here, the lock is ours.
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|source| DevError::Write { path: path.clone(), source })
    }

    /// A secret made on the first start and read back, through `check`, on every later one.
    pub fn keep<T>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<String, DevError>,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, DevError> {
        if let Some(text) = self.read_secret(name)? {
            return check(text.trim()).map_err(|what| self.corrupt(name, &what));
        }
        let text = make()?;
        let value = check(text.trim()).map_err(|cause| DevError::Make { what: "a secret", cause })?;
        self.write(name, &format!("{}\n", text.trim_end()), SECRET_MODE)?;
        Ok(value)
    }

    /// The error for a file that cannot be used and can be made anew once it is gone.
    pub fn corrupt(&self, name: &str, what: &str) -> DevError {
        DevError::Corrupt { path: self.file(name), what: what.to_owned(), remedy: "delete it and start again".into() }
    }
}

/// Takes an existing directory over when it is empty or ours, closing it to others.
fn adopt(path: &Path, mode: u32) -> Result<(), DevError> {
    let failed = |e: io::Error| DevError::Directory { path: path.to_owned(), cause: e.to_string() };
    let ours = path.join(LOCK_FILE).exists();
    let empty = fs::read_dir(path).map_err(failed)?.next().is_none();
    if !ours && !empty {
        return Err(DevError::Foreign { path: path.to_owned() });
    }
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE)).map_err(failed)?;
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, DevError> {
    let name = path.join(LOCK_FILE);
    let failed = |source| DevError::Write { path: name.clone(), source };
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(SECRET_MODE).clone();
    let file = options.open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DevError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_missing_directory_is_made_private_and_a_foreign_one_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        drop(StateDir::open(&path).unwrap());
        assert_eq!(mode(&path), 0o700);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        drop(StateDir::open(&path).unwrap());
        assert_eq!(mode(&path), 0o700, "ours is closed again");

        let foreign = root.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("letter"), "x").unwrap();
        fs::set_permissions(&foreign, Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(StateDir::open(&foreign), Err(DevError::Foreign { .. })));
        assert_eq!(mode(&foreign), 0o755, "left alone");
        assert!(matches!(StateDir::open(&foreign.join("letter")), Err(DevError::Directory { .. })));
    }

    #[test]
    fn one_process_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state");
        let first = StateDir::open(&path).unwrap();
        let error = StateDir::open(&path).err().unwrap();
        assert!(matches!(error, DevError::Locked { .. }), "{error}");
        drop(first);
        assert!(StateDir::open(&path).is_ok());
    }

    #[test]
    fn a_file_is_written_whole_with_its_mode_despite_a_leftover() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(&root.path().join("state")).unwrap();
        fs::write(state.file(".secret.new"), "half").unwrap();
        state.write("secret", "whole", SECRET_MODE).unwrap();
        assert_eq!(state.read("secret").unwrap().as_deref(), Some("whole"));
        assert_eq!(mode(&state.file("secret")), 0o600);
        assert!(!state.file(".secret.new").exists());
        assert_eq!(state.read("absent").unwrap(), None);
    }

    #[test]
    fn unusable_files_are_named() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(&root.path().join("state")).unwrap();
        fs::write(state.file("large"), vec![b'x'; 70_000]).unwrap();
        fs::write(state.file("binary"), [0xff, 0xfe]).unwrap();
        fs::create_dir(state.file("directory")).unwrap();
        for name in ["large", "binary", "directory"] {
            let error = state.read(name).unwrap_err().to_string();
            assert!(error.contains(&format!("/{name} ")) && error.contains("delete it"), "{error}");
        }
    }

    #[test]
    fn a_kept_secret_is_made_once_checked_always_and_closed_to_others() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(&root.path().join("state")).unwrap();
        let check = |text: &str| if text.len() == 4 { Ok(text.to_owned()) } else { Err("is not four long".into()) };
        assert_eq!(state.keep("pin", || Ok("1234".into()), check).unwrap(), "1234");
        fs::set_permissions(state.file("pin"), Permissions::from_mode(0o644)).unwrap();
        assert_eq!(state.keep("pin", || Ok("9999".into()), check).unwrap(), "1234");
        assert_eq!(mode(&state.file("pin")), 0o600);
        fs::write(state.file("pin"), "").unwrap();
        let error = state.keep("pin", || Ok("9999".into()), check).unwrap_err().to_string();
        assert!(error.ends_with("/pin is not four long; delete it and start again"), "{error}");
    }
}
