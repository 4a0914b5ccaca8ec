//! Boot files in the EFI system partition. Their names carry version and boot counter, as systemd-boot reads and counts
//! them (systemd's "Automatic Boot Assessment"): `vallum_1.1.0+3-0.efi` has three tries left, `vallum_1.1.0.efi` is good.

use std::io;

use super::medium::Medium;
use super::release::{compare, is_version};

/// How often a new version may fail to start before the old one is taken.
const TRIES: u32 = 3;
/// The name of a file that is being written; systemd-boot takes none but `.efi` for a boot file.
pub const UNFINISHED: &str = "vallum-update.part";

/// One boot file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFile {
    pub name: String,
    pub version: String,
    /// Tries left; `None` once the version has proved good.
    pub tries_left: Option<u32>,
}

impl BootFile {
    /// Whether it proved good.
    pub fn is_proven(&self) -> bool {
        self.tries_left.is_none()
    }

    /// Whether all its tries were in vain.
    pub fn has_failed(&self) -> bool {
        self.tries_left == Some(0)
    }
}

/// All boot files of ours, the oldest version first.
pub fn list(medium: &impl Medium) -> io::Result<Vec<BootFile>> {
    let mut found: Vec<BootFile> = medium.boot_files()?.iter().filter_map(|name| parse(name)).collect();
    found.sort_by(|one, other| compare(&one.version, &other.version));
    Ok(found)
}

/// The file that systemd-boot takes next: one that has not failed before one that has, then the latest version.
pub fn next(files: &[BootFile]) -> Option<&BootFile> {
    files.iter().max_by(|one, other| {
        other.has_failed().cmp(&one.has_failed()).then_with(|| compare(&one.version, &other.version))
    })
}

/// The name of a version that has all its tries before it.
pub fn untried(version: &str) -> String {
    format!("vallum_{version}+{TRIES}-0.efi")
}

/// Takes all tries from a version, so that systemd-boot prefers any other.
pub fn condemn(medium: &mut impl Medium, file: &BootFile) -> io::Result<()> {
    medium.rename_boot_file(&file.name, &format!("vallum_{}+0-{TRIES}.efi", file.version))
}

fn parse(name: &str) -> Option<BootFile> {
    let stem = name.strip_prefix("vallum_")?.strip_suffix(".efi")?;
    let (version, tries_left) = match stem.split_once('+') {
        Some((version, counter)) => (version, Some(counter.split('-').next()?.parse().ok()?)),
        None => (stem, None),
    };
    is_version(version).then(|| BootFile { name: name.to_owned(), version: version.to_owned(), tries_left })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_version_and_tries() {
        for (name, seen) in [
            ("vallum_1.1.0.efi", Some(("1.1.0", None))),
            ("vallum_1.1.0+3-0.efi", Some(("1.1.0", Some(3)))),
            ("vallum_1.1.0+0-3.efi", Some(("1.1.0", Some(0)))),
            ("vallum_1.1.0+2.efi", Some(("1.1.0", Some(2)))),
            ("vallum_1.1.0+x.efi", None),
            ("vallum_1.1.0+-1.efi", None),
            ("vallum_.efi", None),
            ("vallum_../x.efi", None),
            ("other_1.1.0.efi", None),
            ("vallum_1.1.0.efi.bak", None),
            (UNFINISHED, None),
        ] {
            let parsed = parse(name);
            assert_eq!(parsed.as_ref().map(|file| (file.version.as_str(), file.tries_left)), seen, "{name}");
        }
    }

    #[test]
    fn what_failed_is_taken_last() {
        for (names, taken) in [
            (&["vallum_1.0.0.efi", "vallum_1.1.0+3-0.efi"][..], "1.1.0"),
            (&["vallum_1.0.0.efi", "vallum_1.1.0+1-2.efi"], "1.1.0"),
            (&["vallum_1.0.0.efi", "vallum_1.1.0+0-3.efi"], "1.0.0"),
            (&["vallum_1.9.0.efi", "vallum_1.10.0.efi"], "1.10.0"),
            (&["vallum_1.0.0+0-3.efi", "vallum_1.1.0+0-3.efi"], "1.1.0"),
        ] {
            let files: Vec<BootFile> = names.iter().filter_map(|name| parse(name)).collect();
            assert_eq!(next(&files).map(|file| file.version.as_str()), Some(taken), "{names:?}");
        }
        assert_eq!(next(&[]), None);
    }
}
