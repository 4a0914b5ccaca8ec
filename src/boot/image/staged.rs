//! The files of a release on this machine, before anything of it is changed: whole, and what was signed.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::UpdateError;
use super::release::{Part, Release};
use super::source::Source;
use crate::control::admin::appliance::door::Step;

use super::telling::Telling;

/// What is left free for the service, in bytes.
const RESERVE_BYTES: u64 = 8 << 20;

/// Files without a name: they are gone when the process is, or the power.
pub struct Staged {
    pub boot: File,
    pub root: File,
    pub verity: File,
}

impl Staged {
    /// Brings all files of `release` into `folder`.
    pub fn fetch(
        release: &Release,
        source: &Source,
        folder: &Path,
        telling: &mut Telling,
    ) -> Result<Staged, UpdateError> {
        room(folder, release.bytes())?;
        telling.begin(Step::Fetching, release.bytes());
        let mut fetch = |part: &Part| -> Result<File, UpdateError> {
            let room = |error| UpdateError::Staging(folder.to_owned(), error);
            let mut file = nameless(folder).map_err(room)?;
            source.part(part, &mut |chunk| {
                file.write_all(chunk).map_err(room)?;
                telling.advance(chunk.len() as u64);
                Ok(())
            })?;
            Ok(file)
        };
        Ok(Staged { boot: fetch(&release.boot)?, root: fetch(&release.root)?, verity: fetch(&release.verity)? })
    }
}

/// Whether `bytes` fit and leave something for others.
fn room(folder: &Path, bytes: u64) -> Result<(), UpdateError> {
    let about = rustix::fs::statvfs(folder).map_err(|error| UpdateError::Staging(folder.to_owned(), error.into()))?;
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    if free < bytes.saturating_add(RESERVE_BYTES) {
        let what = format!("{free} bytes are free, {bytes} are needed and {RESERVE_BYTES} are left to others");
        return Err(UpdateError::Staging(folder.to_owned(), std::io::Error::other(what)));
    }
    Ok(())
}

fn nameless(folder: &Path) -> std::io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)?.into())
}
