//! Writing the other slot, and going back to it.
//!
//! The order is what makes a power cut harmless. Whatever leads to the other slot is taken away before the slot is
//! touched; what leads to the new version comes last, by one rename, when all that it needs has reached the disk.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::UpdateError;
use super::esp::{self, BootFile};
use super::gpt::{Partition, Table};
use super::medium::Medium;
use super::release::{Offer, Part, Release};
use super::slots::{self, Slot};
use super::staged::Staged;
use super::telling::Telling;
use crate::control::admin::appliance::door::Step;

/// Most bytes of a boot file: three of them fit into the EFI system partition.
const BOOT_BYTES_MAX: u64 = 40 << 20;
/// Bytes written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// The identity of its root's partition.
    pub root: uuid::Uuid,
    pub version: String,
}

/// What is to be done about a release.
#[derive(Debug)]
pub enum Verdict {
    /// It goes into this slot, and these boot files go.
    Install(Box<Slot>, Vec<BootFile>),
    /// It runs.
    Runs,
    /// It is written already and waits for the next start.
    Waits,
}

/// Judges `release` without changing anything.
pub fn judge(medium: &impl Medium, release: &Release, running: &Running, retry: bool) -> Result<Verdict, UpdateError> {
    match release.offer(&running.version) {
        Offer::Older => return Err(UpdateError::Older(release.version.clone(), running.version.clone())),
        Offer::Same => return Ok(Verdict::Runs),
        Offer::Later => {}
    }
    let (_, other) = slots::pair(&Table::read(medium)?, running.root)?;
    room("the root", &release.root, other.root.length)?;
    room("the verity tree", &release.verity, other.verity.length)?;
    room("the boot file", &release.boot, BOOT_BYTES_MAX)?;
    if release.identities().0 == running.root {
        return Err(UpdateError::SameRoot(release.version.clone()));
    }
    let files = esp::list(medium).map_err(UpdateError::BootFiles)?;
    let (own, others): (Vec<BootFile>, Vec<BootFile>) =
        files.into_iter().partition(|file| file.version == running.version);
    // The other slot is what an unproven version falls back to.
    if !own.iter().any(BootFile::is_proven) {
        return Err(UpdateError::NotProven(running.version.clone()));
    }
    match others.iter().find(|file| file.version == release.version) {
        // Writing it again would start the machine over and over.
        Some(file) if file.has_failed() && !retry => Err(UpdateError::Failed(release.version.clone())),
        Some(file) if !file.has_failed() && other.version() == Some(&release.version) => Ok(Verdict::Waits),
        _ => Ok(Verdict::Install(Box::new(other), others)),
    }
}

/// Brings a release, whose files are `staged`, into `slot`; `others` are the boot files that lead there or nowhere.
pub fn install(
    medium: &mut impl Medium,
    release: &Release,
    staged: &mut Staged,
    (slot, others): (&Slot, &[BootFile]),
    telling: &mut Telling,
) -> Result<(), UpdateError> {
    telling.begin(Step::Writing, release.bytes());
    // First what needs room: when there is none, nothing has changed.
    let written = medium.write_boot_file(esp::UNFINISHED, &mut staged.boot);
    if let Err(error) = written {
        // The file may not even be there.
        let _ = medium.remove_boot_file(esp::UNFINISHED);
        return Err(UpdateError::BootFiles(error));
    }
    telling.advance(release.boot.bytes);
    for file in others {
        medium.remove_boot_file(&file.name).map_err(UpdateError::BootFiles)?;
    }
    let mut table = Table::read(medium)?;
    slot.clear(&mut table);
    table.write(medium).map_err(UpdateError::Disk)?;
    write_partition(medium, &mut staged.root, &slot.root, telling)?;
    write_partition(medium, &mut staged.verity, &slot.verity, telling)?;
    medium.sync().map_err(UpdateError::Disk)?;
    slot.name(&mut table, &release.version, release.identities());
    table.write(medium).map_err(UpdateError::Disk)?;
    let name = esp::untried(&release.version);
    medium.rename_boot_file(esp::UNFINISHED, &name).map_err(UpdateError::BootFiles)
}

/// Lets the other version be taken at the next start; returns it.
pub fn rollback(medium: &mut impl Medium, running: &Running) -> Result<String, UpdateError> {
    let (_, other) = slots::pair(&Table::read(medium)?, running.root)?;
    let files = esp::list(medium).map_err(UpdateError::BootFiles)?;
    let leads_there = |file: &&BootFile| !file.has_failed() && other.version() == Some(&file.version);
    let to = files.iter().find(leads_there).ok_or(UpdateError::NothingElse)?;
    for file in files.iter().filter(|file| file.version == running.version) {
        esp::condemn(medium, file).map_err(UpdateError::BootFiles)?;
    }
    Ok(to.version.clone())
}

fn room(what: &'static str, part: &Part, room: u64) -> Result<(), UpdateError> {
    if part.bytes > room {
        return Err(UpdateError::NoRoom { what, bytes: part.bytes, room });
    }
    Ok(())
}

fn write_partition(
    medium: &mut impl Medium,
    from: &mut File,
    into: &Partition,
    telling: &mut Telling,
) -> Result<(), UpdateError> {
    let mut copy = || -> io::Result<()> {
        from.seek(SeekFrom::Start(0))?;
        let (mut buffer, mut at) = (vec![0; CHUNK_BYTES], into.offset);
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            medium.write_at(&buffer[..length], at)?;
            at += length as u64;
            telling.advance(length as u64);
        }
    };
    copy().map_err(UpdateError::Disk)
}
