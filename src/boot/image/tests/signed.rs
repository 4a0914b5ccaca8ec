//! Releases that `image/sign` made of what a build leaves.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::publisher::{Rig, sha256};
use crate::boot::image::release::ReleaseError;
use crate::boot::image::{UpdateError, slots};

const SIGN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/image/sign");

/// Runs it; returns whether it went well, and what it said.
fn sign(words: &[&str]) -> (bool, String) {
    let output = Command::new(SIGN).args(words).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// What a build of `version` would leave, as far as a release takes it.
fn build(folder: &Path, version: &str) {
    fs::create_dir_all(folder).unwrap();
    let boot = format!("\u{7f}kernel\0 panic=10 roothash={} gpt\0", sha256(version.as_bytes()));
    for (name, data) in
        [("efi", boot.as_str()), ("root.erofs", "the root"), ("root.verity", "tree"), ("all-in-one.efi", "another")]
    {
        fs::write(folder.join(format!("vallum-{version}.{name}")), data).unwrap();
    }
}

#[test]
fn what_is_signed_is_taken_by_both_kinds_of_key() {
    for kind in ["ed25519", "p256"] {
        let rig = Rig::new();
        let place = |name: &str| rig.place(name).to_str().unwrap().to_owned();
        build(&rig.place("out"), "1.1.0");
        let (good, said) = sign(&["keys", &place("keys"), "--kind", kind]);
        assert!(good, "{said}");
        let (good, said) = sign(&["release", &place("keys/update.key"), &place("out"), "--to", &place("release")]);
        assert!(good, "{said}");
        // The machine believes another key.
        let seen = rig.upgrade();
        assert!(matches!(seen, Err(UpdateError::Release(ReleaseError::Signature | ReleaseError::Key))), "{seen:?}");
        fs::copy(rig.place("keys/update.pub"), rig.place("key.pem")).unwrap();
        assert_eq!(rig.upgrade().unwrap().answer["next"], "1.1.0", "{kind}");
        let root = slots::running_root(&format!("roothash={}", sha256(b"1.1.0"))).unwrap();
        assert_eq!(rig.partitions()[3].identity, root);
    }
}

#[test]
fn what_makes_no_sense_is_not_signed() {
    let rig = Rig::new();
    let place = |name: &str| rig.place(name).to_str().unwrap().to_owned();
    sign(&["keys", &place("keys")]);
    let key = fs::read(rig.place("keys/update.key")).unwrap();
    let (good, said) = sign(&["keys", &place("keys")]);
    assert!(!good && said.contains("not overwritten"), "{said}");
    assert_eq!(fs::read(rig.place("keys/update.key")).unwrap(), key);
    fs::create_dir(rig.place("out")).unwrap();
    let refused = |words: &str| {
        let (good, said) = sign(&["release", &place("keys/update.key"), &place("out")]);
        assert!(!good && said.contains(words), "{said}");
        assert!(!rig.place("out/vallum-update.json").exists());
    };
    refused("found 0: is it the folder of a build?");
    build(&rig.place("out"), "1.1.0");
    fs::write(rig.place("out/vallum-1.1.0.efi"), "no hash").unwrap();
    refused("expected one root hash");
    build(&rig.place("out"), "1.2.0");
    refused("found 2");
}
