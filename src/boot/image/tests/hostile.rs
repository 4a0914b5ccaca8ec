//! Releases that are not what they should be: a clear error, and nothing changes.

use std::fs;

use serde_json::{Value, json};

use super::disk;
use super::publisher::Rig;
use crate::boot::image::source::Source;
use crate::boot::image::{UpdateError, telling::Telling};
use crate::control::admin::appliance::door::Upgrade;

/// Publishes a good release, spoils it, and expects an error with `words` and a machine as it was.
fn refused(what: &str, words: &str, spoil: impl FnOnce(&Rig)) {
    let rig = Rig::new();
    rig.publish("1.1.0", &[9; 5000]);
    spoil(&rig);
    let state = rig.state();
    let error = rig.upgrade().expect_err(what).to_string();
    assert!(error.contains(words), "{what}: {error}");
    assert_eq!(rig.state(), state, "{what}");
    let noted = crate::control::admin::appliance::outcome::read(&rig.place("run")).unwrap();
    assert!(noted.error.unwrap().contains(words), "{what}");
}

#[test]
fn files_that_were_not_signed() {
    let write = |path: &'static str, data: &'static [u8]| move |rig: &Rig| fs::write(rig.place(path), data).unwrap();
    refused("another root", "is not the file that was signed", |rig| {
        fs::write(rig.place("release/v.root.erofs"), [8; 5000]).unwrap();
    });
    refused("a short root", "ends after 3 bytes of 5000", write("release/v.root.erofs", b"abc"));
    refused("an empty boot file", "ends after 0 bytes", write("release/v.efi", b""));
    refused("a long tree", "v.root.verity is longer than 4 bytes", write("release/v.root.verity", b"tree and more"));
    refused("no root", "v.root.erofs cannot be fetched", |rig| {
        fs::remove_file(rig.place("release/v.root.erofs")).unwrap();
    });
    refused("a folder for a root", "it is no file", |rig| {
        fs::remove_file(rig.place("release/v.root.erofs")).unwrap();
        fs::create_dir(rig.place("release/v.root.erofs")).unwrap();
    });
    refused("a pipe for a root", "it is no file", |rig| {
        fs::remove_file(rig.place("release/v.root.erofs")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, rig.place("release/v.root.erofs"), rustix::fs::FileType::Fifo, mode, 0)
            .unwrap();
    });
}

#[test]
fn signatures_that_are_none() {
    let write = |path: &'static str, data: &'static [u8]| move |rig: &Rig| fs::write(rig.place(path), data).unwrap();
    let signature = "is not by this image's update key";
    refused("zeroes", signature, write("release/vallum-update.json.sig", &[0; 64]));
    refused("nothing", signature, write("release/vallum-update.json.sig", b""));
    refused("too much", "longer than 256 bytes", write("release/vallum-update.json.sig", &[0; 257]));
    refused("no signature", "cannot be fetched", |rig| {
        fs::remove_file(rig.place("release/vallum-update.json.sig")).unwrap();
    });
    refused("another manifest", signature, write("release/vallum-update.json", b"{}"));
    refused("a huge manifest", "longer than 16384 bytes", write("release/vallum-update.json", &[b' '; 20_000]));
    refused("another's release", signature, |rig| {
        let other = Rig::new();
        other.publish("1.1.0", &[9; 5000]);
        for name in ["vallum-update.json", "vallum-update.json.sig"] {
            fs::copy(other.place("release").join(name), rig.place("release").join(name)).unwrap();
        }
    });
    refused("a key that is none", "no PEM public key", write("key.pem", b"hello"));
    refused("no key", "built without `--update-key`", |rig| fs::remove_file(rig.place("key.pem")).unwrap());
}

#[test]
fn signed_nonsense() {
    let signed = |what: &str, words: &str, change: fn(&mut Value)| {
        refused(what, words, |rig| rig.publish_as("1.1.0", &[9; 5000], change));
    };
    signed("a version", "is not of the form", |it| it["version"] = json!("../1"));
    signed("a long version", "is not of the form", |it| it["version"] = json!("1.".repeat(40) + "1"));
    signed("a climbing path", "no plain file name", |it| it["root"]["name"] = json!("../boot/vallum_1.0.0.efi"));
    signed("an absolute path", "no plain file name", |it| it["boot"]["name"] = json!("/etc/passwd"));
    signed("a hidden name", "no plain file name", |it| it["boot"]["name"] = json!(".x"));
    signed("a query", "no plain file name", |it| it["boot"]["name"] = json!("x?y"));
    signed("a root hash", "64 hexadecimal digits", |it| it["root_hash"] = json!("00"));
    signed("an accented hash", "64 hexadecimal digits", |it| it["root_hash"] = json!("é".repeat(32)));
    signed("a length", "cannot be read", |it| it["root"]["bytes"] = json!(-1));
    signed("a huge root", "have room", |it| it["root"]["bytes"] = json!(u64::MAX));
    signed("a huge tree", "have room", |it| it["verity"]["bytes"] = json!(disk::BYTES));
    signed("a huge boot file", "have room", |it| it["boot"]["bytes"] = json!(41 << 20));
    signed("a missing part", "cannot be read", |it| {
        it.as_object_mut().unwrap().remove("verity");
    });
    signed("an unknown word", "cannot be read", |it| it["run"] = json!("me"));
    signed("the running root", "the very root that runs", |it| {
        it["root_hash"] = json!(format!("{:032x}{}", 0xa1, "0".repeat(32)));
    });
    signed("a downgrade", "older than 1.0.0", |it| it["version"] = json!("0.1.0"));
    refused("no JSON", "cannot be read", |rig| rig.sign(&rig.place("release"), b"signed, but no JSON"));
}

#[test]
fn disks_that_are_not_ours() {
    let state = |rig: &Rig| rig.state();
    let mut rig = Rig::new();
    rig.publish("1.1.0", b"root");
    // Nothing on the disk is what runs.
    rig.running.root = uuid::Uuid::from_u128(0xdead);
    let before = state(&rig);
    assert!(matches!(rig.upgrade(), Err(UpdateError::Layout)));
    assert!(matches!(rig.machine().rollback(true), Err(UpdateError::Layout)));
    assert!(rig.machine().status().is_err());
    assert_eq!(state(&rig), before);
    // There is no table.
    rig.disk = disk::blank(disk::BYTES).disk;
    assert!(matches!(rig.upgrade(), Err(UpdateError::Gpt(_))));
}

#[test]
fn sources_are_folders_or_https() {
    for text in
        ["/srv/release", "https://releases.example/vallum/", " https://releases.example\n", "http://127.0.0.1:1/"]
    {
        assert!(Source::new(text).is_ok(), "{text}");
    }
    for text in [
        "",
        "release",
        "../x",
        "http://releases.example/",
        "ftp://x/",
        "file:///etc",
        "https://",
        "https://x/?a=b",
        "javascript:x",
    ] {
        assert!(matches!(Source::new(text), Err(UpdateError::Source(_))), "{text}");
    }
    let secret = Source::new("https://me:secret@releases.example/").map(drop).unwrap_err();
    assert!(matches!(secret, UpdateError::SourceSecret) && !secret.to_string().contains("secret@"), "{secret}");
    assert!(matches!(Source::new(&format!("/{}", "x".repeat(4000))), Err(UpdateError::Source(_))));
}

#[test]
fn without_a_source_nothing_is_guessed() {
    let rig = Rig::new();
    let seen = rig.machine().upgrade(&Upgrade::default(), &mut Telling::nobody());
    assert!(matches!(seen, Err(UpdateError::NoSource)), "{seen:?}");
}
