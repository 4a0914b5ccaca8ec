//! An appliance's disk in a file, small and made by sfdisk: an EFI system partition, slot A with 1.0.0, slot B empty.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::{Command, Output, Stdio};

use uuid::Uuid;

use crate::boot::image::gpt::SECTOR;
use crate::boot::image::medium::{Medium, Own};
use crate::boot::image::slots;

pub const BYTES: u64 = 1024 * SECTOR;
pub const ROOT_BYTES: u64 = 64 * SECTOR;
pub const ROOT_A_AT: u64 = 128 * SECTOR;
pub const NAMES: [&str; 5] = ["vallum-esp", "vallum_1.0.0", "vallum_1.0.0", "_empty", "_empty"];
/// The identities of what runs.
pub const RUNNING: Uuid = Uuid::from_u128(0xa1);
pub const RUNNING_VERITY: Uuid = Uuid::from_u128(0xa2);

const ESP: Uuid = uuid::uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");

/// The disk, with a folder for boot files.
pub fn medium() -> Own {
    Own { disk: file(), boot_folder: std::env::temp_dir() }
}

/// The disk.
pub fn file() -> File {
    let parts = [
        (64, 64, ESP, Uuid::from_u128(0xe), NAMES[0]),
        (128, 64, slots::ROOT, RUNNING, NAMES[1]),
        (192, 16, slots::VERITY, RUNNING_VERITY, NAMES[2]),
        (256, 64, slots::ROOT, Uuid::from_u128(0xb1), NAMES[3]),
        (320, 16, slots::VERITY, Uuid::from_u128(0xb2), NAMES[4]),
    ];
    let mut script = "label: gpt\nunit: sectors\nfirst-lba: 34\ngrain: 512\n".to_owned();
    for (start, size, kind, identity, name) in parts {
        script.push_str(&format!("start={start}, size={size}, type={kind}, uuid={identity}, name={name}\n"));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(BYTES).unwrap();
    let mut sfdisk = tool("sfdisk");
    sfdisk.args(["--quiet", "--no-reread", "--no-tell-kernel"]).arg(file.path());
    let output = fed(&mut sfdisk, &script);
    assert!(output.status.success(), "{output:?}");
    file.into_file()
}

/// A disk without anything.
pub fn blank(bytes: u64) -> Own {
    let disk = tempfile::tempfile().unwrap();
    disk.set_len(bytes).unwrap();
    Own { disk, boot_folder: std::env::temp_dir() }
}

/// Changes one bit.
pub fn flip(medium: &mut impl Medium, at: u64) {
    let mut byte = [0];
    medium.read_at(&mut byte, at).unwrap();
    medium.write_at(&[byte[0] ^ 0x40], at).unwrap();
}

/// Panics when a tool finds something wrong with the table.
pub fn judge(medium: &impl Medium) {
    let file = copied(medium);
    let verified = tool("sfdisk").arg("--verify").arg(file.path()).output().unwrap();
    let text = [verified.stdout, verified.stderr].concat();
    assert!(String::from_utf8_lossy(&text).contains("No errors detected"), "{}", String::from_utf8_lossy(&text));
    let verified = tool("sgdisk").arg("--verify").arg(file.path()).output().unwrap();
    let text = [verified.stdout, verified.stderr].concat();
    assert!(String::from_utf8_lossy(&text).contains("No problems found"), "{}", String::from_utf8_lossy(&text));
}

pub fn as_sfdisk_sees(medium: &impl Medium) -> serde_json::Value {
    let output = tool("sfdisk").arg("--json").arg(copied(medium).path()).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn copied(medium: &impl Medium) -> tempfile::NamedTempFile {
    let mut bytes = vec![0; BYTES as usize];
    medium.read_at(&mut bytes, 0).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all_at(&bytes, 0).unwrap();
    file
}

fn tool(name: &str) -> Command {
    let place = ["/usr/sbin", "/sbin", "/usr/bin"].iter().map(|folder| format!("{folder}/{name}"));
    let found = place.into_iter().find(|path| std::path::Path::new(path).exists());
    Command::new(found.unwrap_or_else(|| panic!("{name} is missing: `tests/run tools` installs it")))
}

fn fed(command: &mut Command, text: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}
