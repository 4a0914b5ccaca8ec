//! The partition table (GPT, UEFI specification 2.10 section 5.3), as far as an update changes it: names and identities of
//! partitions. Both copies are written, the spare one first, so that a power cut leaves one that is whole: firmware
//! takes it, and so does the kernel when it is told `gpt` (image/builder/disk.py does).

mod fields;

use std::io;

use super::medium::Medium;
use fields::{crc32, set_u32, set_u64, u32_at, u64_at, uuid_at};

/// Bytes of a sector of the disks that the image is written to.
pub const SECTOR: u64 = 512;
const SIGNATURE: &[u8; 8] = b"EFI PART";
const HEADER_BYTES: usize = 92;
/// Most entries that are read, and the bytes of one.
const ENTRIES_MAX: usize = 128;
const ENTRY_BYTES: usize = 128;
/// Code units of a partition's name.
const NAME_UNITS: usize = 36;
/// Where the first copy stands, header and entries, in sectors.
const FIRST_AT: u64 = 1;
const FIRST_ENTRIES_AT: u64 = 2;

/// Places in a header.
mod at {
    pub const HEADER_BYTES: usize = 12;
    pub const HEADER_SUM: usize = 16;
    pub const HERE: usize = 24;
    pub const OTHER: usize = 32;
    pub const ENTRIES: usize = 72;
    pub const ENTRY_COUNT: usize = 80;
    pub const ENTRY_BYTES: usize = 84;
    pub const ENTRIES_SUM: usize = 88;
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GptError {
    #[error("the disk cannot be read or written: {0}")]
    Disk(#[from] io::Error),
    #[error(
        "the disk has no partition table (GPT) that is whole: of the first copy, {first}; of the spare one, {spare}"
    )]
    Damaged { first: &'static str, spare: &'static str },
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1.
    pub number: usize,
    pub kind: uuid::Uuid,
    pub identity: uuid::Uuid,
    pub name: String,
    /// Its place, in bytes.
    pub offset: u64,
    pub length: u64,
}

impl Partition {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// The table of one disk.
#[derive(Debug, Clone)]
pub struct Table {
    header: [u8; HEADER_BYTES],
    entries: Vec<u8>,
    /// The last sector of the disk, where the spare header stands.
    last: u64,
}

impl Table {
    /// Reads the first copy, or the spare one where that is damaged.
    pub fn read(medium: &impl Medium) -> Result<Table, GptError> {
        let last = (medium.disk_bytes()? / SECTOR).saturating_sub(1);
        match copy_at(medium, FIRST_AT, last)? {
            Ok(table) => Ok(table),
            Err(first) => copy_at(medium, last, last)?.map_err(|spare| GptError::Damaged { first, spare }),
        }
    }

    /// The bytes between the two copies.
    fn room(&self) -> std::ops::Range<u64> {
        let entries = (self.entries.len() as u64).div_ceil(SECTOR);
        let end = self.last.saturating_sub(entries);
        (FIRST_ENTRIES_AT + entries) * SECTOR..end * SECTOR
    }

    /// All partitions, by number.
    pub fn partitions(&self) -> Vec<Partition> {
        let used = |entry: &&[u8]| entry[..16].iter().any(|byte| *byte != 0);
        let numbered = self.entries.chunks_exact(ENTRY_BYTES).enumerate();
        numbered.filter(|(_, entry)| used(entry)).filter_map(|(index, entry)| partition(index + 1, entry)).collect()
    }

    /// Gives the partition `number` another identity and name (cut to the 36 units that fit).
    pub fn rename(&mut self, number: usize, identity: uuid::Uuid, name: &str) {
        let Some(entry) = self.entries.chunks_exact_mut(ENTRY_BYTES).nth(number.wrapping_sub(1)) else { return };
        entry[16..32].copy_from_slice(&identity.to_bytes_le());
        entry[56..].fill(0);
        for (place, unit) in entry[56..].chunks_exact_mut(2).zip(name.encode_utf16().take(NAME_UNITS)) {
            place.copy_from_slice(&unit.to_le_bytes());
        }
    }

    /// Writes the spare copy, then the first, each reaching the disk before the next step.
    pub fn write(&self, medium: &mut impl Medium) -> io::Result<()> {
        let entry_sectors = (self.entries.len() as u64).div_ceil(SECTOR);
        self.write_copy(medium, self.last, FIRST_AT, self.last.saturating_sub(entry_sectors))?;
        self.write_copy(medium, FIRST_AT, self.last, FIRST_ENTRIES_AT)
    }

    fn write_copy(&self, medium: &mut impl Medium, here: u64, other: u64, entries_at: u64) -> io::Result<()> {
        let mut header = self.header;
        set_u64(&mut header, at::HERE, here);
        set_u64(&mut header, at::OTHER, other);
        set_u64(&mut header, at::ENTRIES, entries_at);
        set_u32(&mut header, at::ENTRIES_SUM, crc32(&self.entries));
        set_u32(&mut header, at::HEADER_SUM, 0);
        let sum = crc32(&header);
        set_u32(&mut header, at::HEADER_SUM, sum);
        medium.write_at(&self.entries, entries_at.saturating_mul(SECTOR))?;
        medium.write_at(&header, here.saturating_mul(SECTOR))?;
        medium.sync()
    }
}

/// The copy whose header stands in sector `here`, or what is wrong with it.
fn copy_at(medium: &impl Medium, here: u64, last: u64) -> io::Result<Result<Table, &'static str>> {
    let mut header = [0; HEADER_BYTES];
    if last < FIRST_ENTRIES_AT {
        return Ok(Err("the disk is too short for one"));
    }
    medium.read_at(&mut header, here.saturating_mul(SECTOR))?;
    if &header[..8] != SIGNATURE || u32_at(&header, at::HEADER_BYTES) as usize != HEADER_BYTES {
        return Ok(Err("there is no header of the known form"));
    }
    let mut unsummed = header;
    set_u32(&mut unsummed, at::HEADER_SUM, 0);
    if crc32(&unsummed) != u32_at(&header, at::HEADER_SUM) || u64_at(&header, at::HERE) != here {
        return Ok(Err("the header's sum or place is wrong"));
    }
    let count = u32_at(&header, at::ENTRY_COUNT) as usize;
    if count > ENTRIES_MAX || u32_at(&header, at::ENTRY_BYTES) as usize != ENTRY_BYTES {
        return Ok(Err("the entries have an unknown form"));
    }
    let (mut entries, entries_at) = (vec![0; count * ENTRY_BYTES], u64_at(&header, at::ENTRIES));
    if entries_at < FIRST_ENTRIES_AT || entries_at >= last {
        return Ok(Err("the entries are outside the disk"));
    }
    medium.read_at(&mut entries, entries_at.saturating_mul(SECTOR))?;
    if crc32(&entries) != u32_at(&header, at::ENTRIES_SUM) {
        return Ok(Err("the entries' sum is wrong"));
    }
    let table = Table { header, entries, last };
    // Tables and partitions are written to: none may lie in another's place.
    if !table.partitions().iter().all(|part| table.room().contains(&part.offset) && part.end() <= table.room().end) {
        return Ok(Err("a partition reaches into a table, or out of the disk"));
    }
    Ok(Ok(table))
}

fn partition(number: usize, entry: &[u8]) -> Option<Partition> {
    let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
    let sectors = last.checked_sub(first)?.checked_add(1)?;
    let units: Vec<u16> = entry[56..].chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    Some(Partition {
        number,
        kind: uuid_at(entry, 0),
        identity: uuid_at(entry, 16),
        name: String::from_utf16_lossy(&units[..end]),
        offset: first.checked_mul(SECTOR)?,
        length: sectors.checked_mul(SECTOR)?,
    })
}

#[cfg(test)]
pub mod tests;
