//! The machine that this runs on: what runs, and what it can be told.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use super::esp::{self, BootFile};
use super::gpt::Table;
use super::install::{self, Running, Verdict};
use super::medium::Own;
use super::note;
use super::release::{self, MANIFEST_BYTES_MAX, Release, SIGNATURE_BYTES_MAX};
use super::slots;
use super::source::{Place, Source};
use super::staged::Staged;
use super::telling::Telling;
use super::{SOURCE_CREDENTIAL, UpdateError};
use crate::boot::console_line::{self, Priority};
use crate::control::admin::appliance::door::Upgrade;

const MANIFEST: &str = "vallum-update.json";
const SIGNATURE: &str = "vallum-update.json.sig";
const COMMAND_LINE: &str = "/proc/cmdline";
const OS_RELEASE: &str = "/usr/lib/os-release";
/// The key that releases are verified with; an image that was built without one takes none.
const KEY_FILE: &str = "/usr/lib/vallum/update.pub";
/// Boot files, as `efi.mount` shows them.
const BOOT_FOLDER: &str = "/efi/EFI/Linux";
/// Where a release waits until it is known to be whole: the data partition.
const STAGING_FOLDER: &str = "/var/tmp";
/// Held by whoever changes something.
const LOCK: &str = "lock";
/// Most bytes of the files that are read whole.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// What there is to keep.
pub struct Machine {
    pub running: Running,
    pub key_file: PathBuf,
    pub boot_folder: PathBuf,
    pub staging_folder: PathBuf,
    /// Where the lock is, and where outcomes are noted.
    pub runtime: PathBuf,
    /// Opens the disk, to write to it or not.
    pub disk: Box<dyn Fn(uuid::Uuid, bool) -> Result<File, UpdateError>>,
}

/// What came of a request.
#[derive(Debug)]
pub struct Done {
    pub answer: Value,
    /// Whether the machine is to start again, as was asked.
    pub reboot: bool,
}

impl Machine {
    /// This one.
    pub fn find() -> Result<Machine, UpdateError> {
        let root = slots::running_root(&text(Path::new(COMMAND_LINE))?).ok_or(UpdateError::NotFromDisk)?;
        let version = image_version(&text(Path::new(OS_RELEASE))?).ok_or(UpdateError::NotFromDisk)?;
        Ok(Machine {
            running: Running { root, version },
            key_file: KEY_FILE.into(),
            boot_folder: BOOT_FOLDER.into(),
            staging_folder: STAGING_FOLDER.into(),
            runtime: note::folder(),
            disk: Box::new(slots::open_disk),
        })
    }

    /// Versions, slots, boot files.
    pub fn status(&self) -> Result<Value, UpdateError> {
        let medium = self.medium(false)?;
        let (here, other) = slots::pair(&Table::read(&medium)?, self.running.root)?;
        let files = esp::list(&medium).map_err(UpdateError::BootFiles)?;
        let boot_files: Vec<Value> =
            files.iter().map(|file| json!({ "version": file.version, "tries_left": file.tries_left })).collect();
        Ok(json!({
            "running": { "version": self.running.version, "slot": here.letter, "proven": self.is_proven(&files) },
            "other": { "version": other.version(), "slot": other.letter },
            "next": esp::next(&files).map(|file| &file.version),
            "boot_files": boot_files,
            "takes_updates": self.key_file.exists(),
            "source": given_source().filter(|text| Place::parse(text).is_ok()),
            "last_update": note::last(&self.runtime),
        }))
    }

    /// Brings a later release into the other slot, and notes what came of it.
    pub fn upgrade(&self, wanted: &Upgrade, telling: &mut Telling) -> Result<Done, UpdateError> {
        let _alone = self.lock()?;
        let mut version = None;
        let outcome = self.upgraded(wanted, &mut version, telling);
        note::write(&self.runtime, version, outcome.as_ref().err());
        outcome
    }

    fn upgraded(
        &self,
        wanted: &Upgrade,
        version: &mut Option<String>,
        telling: &mut Telling,
    ) -> Result<Done, UpdateError> {
        let given = || given_source().ok_or(UpdateError::NoSource);
        let source = Source::new(&wanted.source.clone().map_or_else(given, Ok)?)?;
        let release = self.offered(&source)?;
        *version = Some(release.version.clone());
        let mut medium = self.medium(true)?;
        let (slot, others) = match install::judge(&medium, &release, &self.running, wanted.retry)? {
            Verdict::Runs => return Ok(Done { answer: self.answer(&release, false, false), reboot: false }),
            Verdict::Waits => {
                return Ok(Done { answer: self.answer(&release, false, true), reboot: wanted.reboot });
            }
            Verdict::Install(slot, others) => (slot, others),
        };
        let mut staged = Staged::fetch(&release, &source, &self.staging_folder, telling)?;
        install::install(&mut medium, &release, &mut staged, (&slot, &others), telling)?;
        let text = format!("image: version {} is written and will be tried at the next start", release.version);
        console_line::say(Priority::Notice, &text);
        Ok(Done { answer: self.answer(&release, true, true), reboot: wanted.reboot })
    }

    /// The release at `source`, verified.
    fn offered(&self, source: &Source) -> Result<Release, UpdateError> {
        let key = match bounded(&self.key_file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(UpdateError::NoKey),
            read => read.map_err(|error| UpdateError::Unreadable(self.key_file.clone(), error))?,
        };
        let manifest = source.small(MANIFEST, MANIFEST_BYTES_MAX)?;
        let signature = source.small(SIGNATURE, SIGNATURE_BYTES_MAX)?;
        Ok(Release::verify(&manifest, &signature, &key)?)
    }

    /// Lets the other version be taken at the next start.
    pub fn rollback(&self, reboot: bool) -> Result<Done, UpdateError> {
        let _alone = self.lock()?;
        let to = install::rollback(&mut self.medium(true)?, &self.running)?;
        console_line::say(Priority::Notice, &format!("image: version {to} will be taken at the next start"));
        let answer = json!({ "running": self.running.version, "next": to, "changed": true, "reboot": reboot });
        Ok(Done { answer, reboot })
    }

    /// Notes a version that failed to start, so that it is seen where outcomes are looked for.
    pub fn look(&self) -> Result<(), UpdateError> {
        let files = esp::list(&self.medium(false)?).map_err(UpdateError::BootFiles)?;
        let failed = files.iter().find(|file| file.has_failed() && file.version != self.running.version);
        if let Some(file) = failed {
            let error = UpdateError::Failed(file.version.clone());
            console_line::say(Priority::Error, &format!("image: {error}; {} runs", self.running.version));
            note::write(&self.runtime, Some(file.version.clone()), Some(&error));
        }
        Ok(())
    }

    fn answer(&self, release: &Release, changed: bool, waits: bool) -> Value {
        let next = if waits { &release.version } else { &self.running.version };
        json!({ "running": self.running.version, "offered": release.version, "next": next, "changed": changed })
    }

    fn is_proven(&self, files: &[BootFile]) -> bool {
        files.iter().any(|file| file.version == self.running.version && file.is_proven())
    }

    fn medium(&self, write: bool) -> Result<Own, UpdateError> {
        Ok(Own { disk: (self.disk)(self.running.root, write)?, boot_folder: self.boot_folder.clone() })
    }

    /// Waits for nobody: two updates at a time would undo each other.
    fn lock(&self) -> Result<File, UpdateError> {
        let path = self.runtime.join(LOCK);
        let file = File::create(&path).map_err(|error| UpdateError::Unreadable(path, error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| UpdateError::Busy)?;
        Ok(file)
    }
}

/// Where releases come from, as the machine was told.
pub fn given_source() -> Option<String> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    let text = text(&PathBuf::from(folder).join(SOURCE_CREDENTIAL)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Asks the first process for an orderly restart, as Ctrl-Alt-Del would (systemd(1), SIGINT): the image has no systemctl.
pub fn reboot() -> Result<(), UpdateError> {
    use rustix::process::{Pid, Signal, kill_process};
    kill_process(Pid::INIT, Signal::INT).map_err(|error| UpdateError::Reboot(error.into()))
}

/// `IMAGE_VERSION=` of os-release(5).
fn image_version(text: &str) -> Option<String> {
    let version = text.lines().find_map(|line| line.strip_prefix("IMAGE_VERSION="))?.trim_matches('"');
    release::is_version(version).then(|| version.to_owned())
}

fn text(path: &Path) -> Result<String, UpdateError> {
    let bytes = bounded(path).map_err(|error| UpdateError::Unreadable(path.to_owned(), error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_images() {
        let text = "ID=vallum\nVERSION_ID=9\nIMAGE_VERSION=1.2.3\n";
        assert_eq!(image_version(text).as_deref(), Some("1.2.3"));
        assert_eq!(image_version("IMAGE_VERSION=\"1.2\"\n").as_deref(), Some("1.2"));
        for text in ["", "VERSION_ID=1.0.0", "IMAGE_VERSION=latest", "IMAGE_VERSION=../x"] {
            assert_eq!(image_version(text), None, "{text}");
        }
    }
}
