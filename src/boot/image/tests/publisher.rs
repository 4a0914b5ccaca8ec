//! Who signs releases, and puts them into a folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use serde_json::{Value, json};

use super::disk;
use crate::boot::image::install::Running;
use crate::boot::image::machine::{Done, Machine};
use crate::boot::image::telling::Telling;
use crate::boot::image::{UpdateError, esp, gpt, medium};
use crate::control::admin::appliance::door::Upgrade;

/// A machine in a folder, and the one whose releases it believes.
pub struct Rig {
    pub folder: tempfile::TempDir,
    pub disk: File,
    pub running: Running,
    pair: Ed25519KeyPair,
}

impl Rig {
    /// 1.0.0 runs from slot A and has proved good.
    pub fn new() -> Rig {
        let folder = tempfile::tempdir().unwrap();
        for name in ["boot", "release", "run"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("boot/vallum_1.0.0.efi"), "boot file of 1.0.0").unwrap();
        let rig = Rig {
            folder,
            disk: disk::file(),
            running: Running { root: disk::RUNNING, version: "1.0.0".into() },
            pair: Ed25519KeyPair::generate().unwrap(),
        };
        fs::write(rig.place("key.pem"), key(&rig.pair)).unwrap();
        rig
    }

    pub fn place(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The machine; its disk is opened anew each time.
    pub fn machine(&self) -> Machine {
        let disk = self.disk.try_clone().unwrap();
        Machine {
            running: self.running.clone(),
            key_file: self.place("key.pem"),
            boot_folder: self.place("boot"),
            staging_folder: self.folder.path().to_owned(),
            runtime: self.place("run"),
            disk: Box::new(move |_, _| disk.try_clone().map_err(UpdateError::Disk)),
        }
    }

    /// Publishes a whole release.
    pub fn publish(&self, version: &str, root: &[u8]) {
        self.publish_as(version, root, |_| {});
    }

    /// Publishes a release whose manifest was changed before it was signed.
    pub fn publish_as(&self, version: &str, root: &[u8], change: impl FnOnce(&mut Value)) {
        let part = |name: &str, data: &[u8]| {
            fs::write(self.place("release").join(name), data).unwrap();
            json!({ "name": name, "bytes": data.len(), "sha256": sha256(data) })
        };
        let root_hash = sha256(version.as_bytes());
        let boot = format!("boot file of {version}");
        let mut manifest = json!({
            "version": version, "root_hash": root_hash, "boot": part("v.efi", boot.as_bytes()),
            "root": part("v.root.erofs", root), "verity": part("v.root.verity", b"tree"),
        });
        change(&mut manifest);
        self.sign(&self.place("release"), manifest.to_string().as_bytes());
    }

    pub fn sign(&self, release: &Path, manifest: &[u8]) {
        fs::write(release.join("vallum-update.json"), manifest).unwrap();
        fs::write(release.join("vallum-update.json.sig"), self.pair.sign(manifest).as_ref()).unwrap();
    }

    pub fn upgrade(&self) -> Result<Done, UpdateError> {
        self.upgrade_as(false)
    }

    pub fn upgrade_as(&self, retry: bool) -> Result<Done, UpdateError> {
        let source = self.place("release").to_str().map(str::to_owned);
        self.machine().upgrade(&Upgrade { source, reboot: false, retry }, &mut Telling::nobody())
    }

    pub fn boot_files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.place("boot"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn rename_boot_file(&self, from: &str, to: &str) {
        fs::rename(self.place("boot").join(from), self.place("boot").join(to)).unwrap();
    }

    pub fn partitions(&self) -> Vec<gpt::Partition> {
        gpt::Table::read(&self.medium()).unwrap().partitions()
    }

    pub fn next(&self) -> String {
        esp::next(&esp::list(&self.medium()).unwrap()).unwrap().version.clone()
    }

    pub fn medium(&self) -> medium::Own {
        medium::Own { disk: self.disk.try_clone().unwrap(), boot_folder: self.place("boot") }
    }

    /// Everything that an update might change.
    pub fn state(&self) -> (Vec<u8>, Vec<String>) {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; disk::BYTES as usize];
        self.disk.read_exact_at(&mut bytes, 0).unwrap();
        (bytes, self.boot_files())
    }
}

/// The public key in PEM (RFC 8410).
fn key(pair: &Ed25519KeyPair) -> String {
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend(pair.public_key().as_ref());
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

pub fn sha256(data: &[u8]) -> String {
    digest::digest(&digest::SHA256, data).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
