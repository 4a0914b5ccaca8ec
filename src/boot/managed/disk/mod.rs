//! `vallum config-disk`: takes what a config disk holds, before the service starts.
//!
//! A unit of the appliance runs it once, as root in a mount namespace of its own. The disk is unmounted again, so what it
//! does later touches nobody, and whatever is wrong with it is said and never stops the boot.

mod files;
mod mounted;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{DISK, LOST};
use crate::boot::console_line::{self, Priority};
use files::{Layout, Taken};

/// Where a udev rule puts a link to each config disk: `LAYOUT.FILESYSTEM.NAME`.
const DEVICES: &str = "/dev/vallum-config";
/// Where systemd looks for credentials that are taken by name.
const CREDENTIALS: &str = "/run/credstore";
/// More links are not looked at.
const DEVICES_MAX: usize = 16;

/// A disk with one of our labels.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Disk {
    device: PathBuf,
    layout: Layout,
    system: String,
}

/// Takes the configuration into `/run/vallum-config` and credentials into `/run/credstore`.
pub fn run() -> ExitCode {
    let into = Path::new(DISK);
    let taken = choose(find(Path::new(DEVICES))).into_iter().map(|disk| disk.and_then(|disk| open(&disk, into)));
    let mut all = Taken::default();
    for one in taken {
        all.add(one.unwrap_or_else(Taken::lost));
    }
    match store(&all, into, Path::new(CREDENTIALS)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console_line::say(Priority::Error, &format!("config disk: cannot keep what was read: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The disks that there are, by the links in `devices`.
fn find(devices: &Path) -> Vec<Disk> {
    let Ok(entries) = fs::read_dir(devices) else { return Vec::new() };
    let mut links: Vec<PathBuf> = entries.take(DEVICES_MAX).flatten().map(|entry| entry.path()).collect();
    links.sort();
    links.iter().filter_map(|link| Disk::of(link)).collect()
}

impl Disk {
    fn of(link: &Path) -> Option<Disk> {
        let mut parts = link.file_name()?.to_str()?.splitn(3, '.');
        let layout = Layout::named(parts.next()?)?;
        let system = parts.next()?.to_owned();
        Some(Disk { device: link.to_owned(), layout, system })
    }
}

/// One disk of each layout, that of files first. Of several with one layout none is taken: which one was meant cannot be
/// known.
fn choose(disks: Vec<Disk>) -> Vec<Result<Disk, String>> {
    [Layout::Files, Layout::NoCloud]
        .into_iter()
        .filter_map(|layout| {
            let mut of_it: Vec<Disk> = disks.iter().filter(|disk| disk.layout == layout).cloned().collect();
            let names: Vec<_> = of_it.iter().map(|disk| disk.device.display().to_string()).collect();
            match of_it.len() {
                0 => None,
                1 => of_it.pop().map(Ok),
                many => Some(Err(format!(
                    "{many} disks carry the label {}, none is read: {}",
                    layout.label(),
                    names.join(", ")
                ))),
            }
        })
        .collect()
}

fn open(disk: &Disk, into: &Path) -> Result<Taken, String> {
    let at = into.join("disk");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&at)
        .map_err(|error| format!("{}: {error}", at.display()))?;
    mounted::read(&disk.device, &disk.system, &at, |folder| files::take(folder, disk.layout)).map_err(|error| {
        format!("{} (labelled {}, {}): {error}", disk.device.display(), disk.layout.label(), disk.system)
    })
}

/// Writes what was taken, and says what was not.
fn store(all: &Taken, into: &Path, credentials: &Path) -> io::Result<()> {
    for problem in &all.problems {
        console_line::say(Priority::Error, &format!("config disk: {problem}"));
    }
    for notice in &all.notices {
        console_line::say(Priority::Notice, &format!("config disk: {notice}"));
    }
    if !all.credentials.is_empty() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(credentials)?;
    }
    for (name, bytes) in &all.credentials {
        write(&credentials.join(name), bytes, 0o600)?;
    }
    match (&all.configuration, all.is_lost) {
        // The service is in the group of the folder, nobody else is.
        (Some((name, bytes)), _) => write(&into.join(name), bytes, 0o640),
        (None, true) => write(&into.join(LOST), all.problems.join("; ").as_bytes(), 0o640),
        (None, false) => Ok(()),
    }
}

fn write(file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut opened = options.write(true).create(true).truncate(true).mode(mode).open(file)?;
    io::Write::write_all(&mut opened, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str) -> Disk {
        Disk::of(&Path::new("/dev/vallum-config").join(name)).unwrap()
    }

    #[test]
    fn a_link_says_layout_and_file_system() {
        let found = disk("nocloud.iso9660.sr0");
        assert_eq!((found.layout, found.system.as_str()), (Layout::NoCloud, "iso9660"));
        for strange in ["other.vfat.vdb", "files", ""] {
            assert_eq!(Disk::of(&Path::new("/dev").join(strange)), None, "{strange}");
        }
    }

    #[test]
    fn of_two_disks_with_one_label_none_is_taken() {
        let (files, cloud) = (disk("files.vfat.vdb"), disk("nocloud.vfat.vdc"));
        assert_eq!(choose(vec![]), vec![]);
        assert_eq!(choose(vec![cloud.clone(), files.clone()]), vec![Ok(files.clone()), Ok(cloud.clone())]);
        let two = choose(vec![cloud.clone(), disk("nocloud.iso9660.sr0"), files.clone()]);
        assert_eq!(two[0], Ok(files));
        assert!(two[1].as_ref().unwrap_err().starts_with("2 disks carry the label cidata"), "{two:?}");
    }

    #[test]
    fn what_was_taken_is_kept_for_the_service() {
        let (into, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let credentials = credentials.path().join("credstore");
        let mut all = Taken::lost("the disk is broken".to_owned());
        store(&all, into.path(), &credentials).unwrap();
        assert_eq!(fs::read_to_string(into.path().join(LOST)).unwrap(), "the disk is broken");
        all.configuration = Some(("vallum.yaml", b"routes: []".to_vec()));
        all.credentials.push(("vallum.ca".to_owned(), b"PEM".to_vec()));
        store(&all, into.path(), &credentials).unwrap();
        assert_eq!(fs::read(into.path().join("vallum.yaml")).unwrap(), b"routes: []");
        assert_eq!(fs::read(credentials.join("vallum.ca")).unwrap(), b"PEM");
    }
}
