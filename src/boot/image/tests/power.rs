//! The power fails: after every step of an update, with every part of what was not synced lost or kept, whatever can be
//! started is whole, and the update can be done again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use super::disk;
use super::publisher::sha256;
use crate::boot::image::gpt::{SECTOR, Table};
use crate::boot::image::install::{Running, Verdict, install, judge, rollback};
use crate::boot::image::medium::Medium;
use crate::boot::image::release::{Part, Release};
use crate::boot::image::slots::{self, Slot};
use crate::boot::image::staged::Staged;
use crate::boot::image::telling::Telling;
use crate::boot::image::{UpdateError, esp};

/// What the older version in the other slot is called.
const OLD: &str = "0.9.0";
const NEW: &str = "1.1.0";

/// A disk with a cache, and a file system of boot files, whose power fails after so many steps.
#[derive(Clone)]
struct Failing {
    /// What has reached the disk.
    kept: Vec<u8>,
    /// What a program sees.
    seen: Vec<u8>,
    /// What was written since the last sync.
    pending: Vec<(usize, Vec<u8>)>,
    boot_files: BTreeMap<String, String>,
    steps: usize,
    steps_left: usize,
}

impl Failing {
    /// 1.0.0 runs from slot A; 0.9.0, which is good as well, is in slot B.
    fn new() -> Failing {
        let mut bytes = vec![0; disk::BYTES as usize];
        disk::file().read_exact_at(&mut bytes, 0).unwrap();
        let mut medium = Failing::of(bytes, BTreeMap::new());
        let mut table = Table::read(&medium).unwrap();
        let (here, other) = slots::pair(&table, disk::RUNNING).unwrap();
        other.name(&mut table, OLD, identities(OLD));
        table.write(&mut medium).unwrap();
        for (slot, version) in [(&here, "1.0.0"), (&other, OLD)] {
            medium.write_at(&root(version), slot.root.offset).unwrap();
            medium.write_at(&tree(version), slot.verity.offset).unwrap();
        }
        medium.sync().unwrap();
        let boot_files = ["1.0.0", OLD].map(|version| (format!("vallum_{version}.efi"), boot(version)));
        Failing::of(medium.seen, BTreeMap::from(boot_files))
    }

    fn of(bytes: Vec<u8>, boot_files: BTreeMap<String, String>) -> Failing {
        let (kept, seen) = (bytes.clone(), bytes);
        Failing { kept, seen, pending: Vec::new(), boot_files, steps: 0, steps_left: usize::MAX }
    }

    fn step(&mut self) -> io::Result<()> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or_else(|| io::Error::other("the power is off"))?;
        self.steps += 1;
        Ok(())
    }

    /// Every state in which the disk may come back: of the writes that were not synced each is lost, kept, or torn.
    fn survivors(&self) -> Vec<Failing> {
        let mut states = vec![self.kept.clone()];
        for (at, bytes) in &self.pending {
            let sectors = bytes.len().div_ceil(SECTOR as usize);
            let mut more = Vec::new();
            for state in &states {
                for kept in [1, sectors / 2, sectors.saturating_sub(1), sectors] {
                    let length = bytes.len().min(kept * SECTOR as usize);
                    let mut torn = state.clone();
                    torn[*at..at + length].copy_from_slice(&bytes[..length]);
                    more.push(torn);
                }
            }
            states.extend(more);
        }
        states.into_iter().map(|bytes| Failing::of(bytes, self.boot_files.clone())).collect()
    }

    /// Every boot file must lead to a root that is whole; returns the version that is started.
    fn start(&self, when: &str) -> String {
        let table = Table::read(self).unwrap_or_else(|error| panic!("{when}: {error}"));
        for file in esp::list(self).unwrap() {
            let version = &file.version;
            assert_eq!(self.boot_files[&file.name], boot(version), "{when}: {} is not whole", file.name);
            let (root_identity, tree_identity) = identities(version);
            for (identity, data) in [(root_identity, root(version)), (tree_identity, tree(version))] {
                let parts = table.partitions();
                let part = parts.iter().find(|part| part.identity == identity);
                let at = part.unwrap_or_else(|| panic!("{when}: {} leads nowhere", file.name)).offset as usize;
                assert!(self.kept[at..at + data.len()] == data, "{when}: the root of {} is not whole", file.name);
            }
        }
        esp::next(&esp::list(self).unwrap()).unwrap_or_else(|| panic!("{when}: nothing to start")).version.clone()
    }
}

impl Medium for Failing {
    fn disk_bytes(&self) -> io::Result<u64> {
        Ok(self.seen.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let from = self.seen.get(offset as usize..offset as usize + bytes.len());
        bytes.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let at = offset as usize;
        self.seen[at..at + bytes.len()].copy_from_slice(bytes);
        self.pending.push((at, bytes.to_vec()));
        self.step()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step()?;
        self.kept = self.seen.clone();
        self.pending.clear();
        Ok(())
    }

    fn boot_files(&self) -> io::Result<Vec<String>> {
        Ok(self.boot_files.keys().cloned().collect())
    }

    fn write_boot_file(&mut self, name: &str, from: &mut File) -> io::Result<()> {
        let mut text = String::new();
        from.seek(SeekFrom::Start(0))?;
        from.read_to_string(&mut text)?;
        for part in [&text[..0], &text[..3], &text] {
            self.boot_files.insert(name.to_owned(), part.to_owned());
            self.step()?;
        }
        Ok(())
    }

    fn rename_boot_file(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step()?;
        // The new name comes first, and for a moment there are both (a file system without a journal).
        let data = self.boot_files.get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
        self.boot_files.insert(to.to_owned(), data);
        self.step()?;
        self.boot_files.remove(from);
        self.step()
    }

    fn remove_boot_file(&mut self, name: &str) -> io::Result<()> {
        self.step()?;
        self.boot_files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        self.step()
    }
}

fn root(version: &str) -> Vec<u8> {
    version.bytes().cycle().take(9000).collect()
}

fn tree(version: &str) -> Vec<u8> {
    version.bytes().rev().cycle().take(700).collect()
}

fn boot(version: &str) -> String {
    format!("boot file of {version}")
}

fn identities(version: &str) -> (uuid::Uuid, uuid::Uuid) {
    match version {
        "1.0.0" => (disk::RUNNING, disk::RUNNING_VERITY),
        other => release(other).identities(),
    }
}

fn release(version: &str) -> Release {
    let part = |data: &[u8]| Part { name: "part".into(), bytes: data.len() as u64, sha256: sha256(data) };
    Release {
        version: version.into(),
        root_hash: sha256(version.as_bytes()),
        boot: part(boot(version).as_bytes()),
        root: part(&root(version)),
        verity: part(&tree(version)),
    }
}

fn running() -> Running {
    Running { root: disk::RUNNING, version: "1.0.0".into() }
}

fn staged() -> Staged {
    let file = |data: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(data).unwrap();
        file
    };
    Staged { boot: file(boot(NEW).as_bytes()), root: file(&root(NEW)), verity: file(&tree(NEW)) }
}

/// The update to the new version, as the keeper does it.
fn update(medium: &mut Failing) -> Result<(), UpdateError> {
    let release = release(NEW);
    let (slot, others): (Box<Slot>, _) = match judge(medium, &release, &running(), false)? {
        Verdict::Install(slot, others) => (slot, others),
        verdict => panic!("{verdict:?}"),
    };
    install(medium, &release, &mut staged(), (&slot, &others), &mut Telling::nobody())
}

#[test]
fn after_every_step_of_an_update_something_whole_starts() {
    let mut whole = Failing::new();
    assert_eq!(whole.start("before"), "1.0.0");
    update(&mut whole).unwrap();
    assert_eq!(whole.start("after"), NEW);
    assert!(whole.steps > 20, "{}", whole.steps);
    let mut started = BTreeMap::<String, usize>::new();
    for steps in 0..whole.steps {
        let mut cut = Failing { steps_left: steps, ..Failing::new() };
        assert!(update(&mut cut).is_err(), "{steps}");
        let survivors = cut.survivors();
        for survivor in &survivors {
            *started.entry(survivor.start(&format!("after {steps} steps"))).or_default() += 1;
        }
        // The one that lost nothing of what was written, or all of it, in turn.
        let again = if steps % 2 == 0 { survivors.first() } else { survivors.last() };
        if let Some(mut again) = again.filter(|survivor| survivor.start("again") == "1.0.0").cloned() {
            update(&mut again).unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
            assert_eq!(again.start("done again"), NEW);
            disk::judge(&again);
        }
    }
    // Both were seen; the new one only at the very end.
    assert!(started["1.0.0"] > 50 && started[NEW] <= 4, "{started:?}");
}

#[test]
fn after_every_step_of_going_back_something_whole_starts() {
    let mut whole = Failing::new();
    assert_eq!(rollback(&mut whole, &running()).unwrap(), OLD);
    assert_eq!(whole.start("after"), OLD);
    for steps in 0..whole.steps {
        let mut cut = Failing { steps_left: steps, ..Failing::new() };
        assert!(rollback(&mut cut, &running()).is_err(), "{steps}");
        for survivor in cut.survivors() {
            survivor.start(&format!("after {steps} steps"));
        }
    }
}

/// The test itself would notice: with the steps in another order, a cut leaves nothing that starts.
#[test]
fn another_order_is_found_out() {
    let outcome = std::panic::catch_unwind(|| {
        let mut medium = Failing::new();
        let mut table = Table::read(&medium).unwrap();
        let (_, other) = slots::pair(&table, disk::RUNNING).unwrap();
        // The slot is cleared while its boot file is still there.
        other.clear(&mut table);
        table.write(&mut medium).unwrap();
        medium.start("after the table")
    });
    assert!(outcome.is_err());
}

#[test]
fn an_esp_without_room_changes_nothing() {
    struct Full(Failing);
    impl Medium for Full {
        fn disk_bytes(&self) -> io::Result<u64> {
            self.0.disk_bytes()
        }
        fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
            self.0.read_at(bytes, offset)
        }
        fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
            self.0.write_at(bytes, offset)
        }
        fn sync(&mut self) -> io::Result<()> {
            self.0.sync()
        }
        fn boot_files(&self) -> io::Result<Vec<String>> {
            self.0.boot_files()
        }
        fn write_boot_file(&mut self, name: &str, _: &mut File) -> io::Result<()> {
            self.0.boot_files.insert(name.to_owned(), "half".to_owned());
            Err(io::ErrorKind::StorageFull.into())
        }
        fn rename_boot_file(&mut self, from: &str, to: &str) -> io::Result<()> {
            self.0.rename_boot_file(from, to)
        }
        fn remove_boot_file(&mut self, name: &str) -> io::Result<()> {
            self.0.remove_boot_file(name)
        }
    }
    let (before, release) = (Failing::new(), release(NEW));
    let mut full = Full(before.clone());
    let Ok(Verdict::Install(slot, others)) = judge(&full, &release, &running(), false) else { panic!("not judged") };
    let outcome = install(&mut full, &release, &mut staged(), (&slot, &others), &mut Telling::nobody());
    assert!(matches!(outcome, Err(UpdateError::BootFiles(_))), "{outcome:?}");
    assert_eq!((full.0.seen, full.0.boot_files), (before.seen, before.boot_files));
}
