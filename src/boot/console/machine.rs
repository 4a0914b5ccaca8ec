//! What machine this is: the image, and the slot that it started from.

use std::path::Path;

/// Largest file that is read for the picture, in bytes.
const FILE_BYTES_MAX: usize = 4096;
/// Digits of the root hash that are its partition's identity.
const IDENTITY_DIGITS: usize = 32;

/// The image and its version (os-release(5)); elsewhere the system's name.
pub fn image() -> String {
    let text = read(Path::new("/etc/os-release"));
    let of = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(unquote);
    match (of("IMAGE_ID"), of("IMAGE_VERSION")) {
        (Some(image), Some(version)) => format!("image {image} {version}"),
        _ => of("PRETTY_NAME").unwrap_or_default(),
    }
}

/// The slot that runs; `None` where the system did not come from one.
pub fn slot() -> Option<char> {
    let device = Path::new("/dev/disk/by-partuuid").join(root_identity(&read(Path::new("/proc/cmdline")))?);
    let device = device.canonicalize().ok()?;
    let number = read(&Path::new("/sys/class/block").join(device.file_name()?).join("partition"));
    slot_of(number.trim())
}

/// The partition's identity out of the kernel's command line: the first half of `roothash=`, as a UUID.
fn root_identity(command_line: &str) -> Option<String> {
    let hash = command_line.split_whitespace().find_map(|word| word.strip_prefix("roothash="))?;
    let half = hash.get(..IDENTITY_DIGITS).filter(|half| half.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let parts = [&half[..8], &half[8..12], &half[12..16], &half[16..20], &half[20..]];
    Some(parts.join("-").to_ascii_lowercase())
}

/// The slot whose root is the partition of this number.
fn slot_of(partition: &str) -> Option<char> {
    match partition {
        "2" => Some('A'),
        "4" => Some('B'),
        _ => None,
    }
}

fn unquote(text: &str) -> String {
    text.trim_matches('"').to_owned()
}

fn read(path: &Path) -> String {
    let mut bytes = std::fs::read(path).unwrap_or_default();
    bytes.truncate(FILE_BYTES_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_known_by_the_roots_hash() {
        let hash = "00112233445566778899AABBCCDDEEFF0123";
        let identity = root_identity(&format!("panic=10 roothash={hash} quiet"));
        assert_eq!(identity.as_deref(), Some("00112233-4455-6677-8899-aabbccddeeff"));
        for none in ["", "panic=10", "roothash=", "roothash=0011", "roothash=../../../../../../../../etc/passwd/x"] {
            assert_eq!(root_identity(none), None, "{none}");
        }
        assert_eq!((slot_of("2"), slot_of("4"), slot_of("6")), (Some('A'), Some('B'), None));
    }
}
