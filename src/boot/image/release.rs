//! What a release says about itself (`vallum-update.json`), and whether to believe it.

use std::cmp::Ordering;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use serde::Deserialize;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Longest manifest and signature, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 16 * 1024;
pub const SIGNATURE_BYTES_MAX: usize = 256;
/// Longest version, in bytes: it must fit into a partition's name.
const VERSION_BYTES_MAX: usize = 24;

/// Why a release is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    #[error("the image's update key is no PEM public key (Ed25519 or ECDSA P-256)")]
    Key,
    #[error("the signature of vallum-update.json is not by this image's update key")]
    Signature,
    #[error("vallum-update.json is signed but cannot be read: {0}")]
    Form(String),
}

/// A release: its version, its root's hash and its three files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub version: String,
    /// The dm-verity root hash (64 hexadecimal digits); its halves are the identities of the two partitions.
    pub root_hash: String,
    pub boot: Part,
    pub root: Part,
    pub verity: Part,
}

/// How a release's version compares with the running one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    Older,
    Same,
    Later,
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub name: String,
    pub bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

impl Release {
    /// Verifies `signature` over `manifest` by the key `pem`, and only then reads it.
    pub fn verify(manifest: &[u8], signature: &[u8], pem: &[u8]) -> Result<Release, ReleaseError> {
        let (_, block) = x509_parser::pem::parse_x509_pem(pem).map_err(|_| ReleaseError::Key)?;
        let (_, key) = SubjectPublicKeyInfo::from_der(&block.contents).map_err(|_| ReleaseError::Key)?;
        let bytes = key.subject_public_key.data.as_ref();
        let verified = match key.algorithm.algorithm.to_id_string().as_str() {
            "1.3.101.112" => UnparsedPublicKey::new(&ED25519, bytes).verify(manifest, signature),
            "1.2.840.10045.2.1" => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes).verify(manifest, signature),
            _ => return Err(ReleaseError::Key),
        };
        verified.map_err(|_| ReleaseError::Signature)?;
        let release: Release =
            serde_json::from_slice(manifest).map_err(|error| ReleaseError::Form(error.to_string()))?;
        release.check()?;
        Ok(release)
    }

    /// What it is to a machine that runs `running`. An old one may be signed as well, and full of known holes.
    pub fn offer(&self, running: &str) -> Offer {
        match compare(&self.version, running) {
            Ordering::Less => Offer::Older,
            Ordering::Equal => Offer::Same,
            Ordering::Greater => Offer::Later,
        }
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.boot.bytes.saturating_add(self.root.bytes).saturating_add(self.verity.bytes)
    }

    /// Identities of the root's and the verity partition.
    pub fn identities(&self) -> (uuid::Uuid, uuid::Uuid) {
        let half = |range| u128::from_str_radix(&self.root_hash[range], 16).unwrap_or_default();
        (uuid::Uuid::from_u128(half(0..32)), uuid::Uuid::from_u128(half(32..64)))
    }

    fn check(&self) -> Result<(), ReleaseError> {
        let form = |what: String| Err(ReleaseError::Form(what));
        if !is_version(&self.version) {
            return form(format!("version {:?} is not of the form 1.2.3", self.version));
        }
        if !is_digest(&self.root_hash) {
            return form("root_hash is not 64 hexadecimal digits".into());
        }
        for part in [&self.boot, &self.root, &self.verity] {
            if !is_digest(&part.sha256) {
                return form(format!("the sha256 of {:?} is not 64 hexadecimal digits", part.name));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if part.name.is_empty() || part.name.starts_with('.') || !part.name.chars().all(plain) {
                return form(format!("{:?} is no plain file name", part.name));
            }
        }
        Ok(())
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether `text` is numbers with dots between them.
pub fn is_version(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= VERSION_BYTES_MAX && text.split('.').all(number)
}

/// Versions by their numbers; a missing one counts as 0.
pub fn compare(one: &str, other: &str) -> Ordering {
    let numbers = |text: &str| text.split('.').map(|part| part.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>();
    let (mut one, mut other) = (numbers(one), numbers(other));
    let length = one.len().max(other.len());
    one.resize(length, 0);
    other.resize(length, 0);
    one.cmp(&other)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use base64::Engine;

    use super::*;

    fn manifest(version: &str, name: &str) -> String {
        let part = |name: &str| serde_json::json!({ "name": name, "bytes": 4096, "sha256": "ab".repeat(32) });
        let root_hash = format!("{}{}", "1".repeat(32), "2".repeat(32));
        serde_json::json!({
            "version": version, "root_hash": root_hash, "boot": part(name), "root": part("r.erofs"), "verity": part("r.verity")
        })
        .to_string()
    }

    fn pem(prefix: &str, key: &[u8]) -> String {
        let mut der: Vec<u8> =
            (0..prefix.len() / 2).map(|i| u8::from_str_radix(&prefix[2 * i..2 * i + 2], 16).unwrap()).collect();
        der.extend(key);
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    fn ed25519() -> (Ed25519KeyPair, String) {
        let pair = Ed25519KeyPair::generate().unwrap();
        let pem = pem("302a300506032b6570032100", pair.public_key().as_ref());
        (pair, pem)
    }

    #[test]
    fn both_kinds_of_key_verify() {
        let text = manifest("1.1.0", "v.efi");
        let (pair, key) = ed25519();
        let release = Release::verify(text.as_bytes(), pair.sign(text.as_bytes()).as_ref(), key.as_bytes()).unwrap();
        assert_eq!(release.version, "1.1.0");
        assert_eq!(release.identities().0.to_string(), "11111111-1111-1111-1111-111111111111");
        assert_eq!(release.identities().1.to_string(), "22222222-2222-2222-2222-222222222222");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let key = pem("3059301306072a8648ce3d020106082a8648ce3d030107034200", pair.public_key().as_ref());
        let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        assert!(Release::verify(text.as_bytes(), signature.as_ref(), key.as_bytes()).is_ok());
    }

    #[test]
    fn nothing_is_read_before_it_is_verified() {
        let text = manifest("1.1.0", "v.efi");
        let (pair, key) = ed25519();
        let (stranger, _) = ed25519();
        let verify = |text: &str, signature: &[u8]| Release::verify(text.as_bytes(), signature, key.as_bytes());
        let good = pair.sign(text.as_bytes());
        assert_eq!(verify(&text, stranger.sign(text.as_bytes()).as_ref()), Err(ReleaseError::Signature));
        assert_eq!(verify(&text.replace("4096", "4097"), good.as_ref()), Err(ReleaseError::Signature));
        assert_eq!(verify("no json", good.as_ref()), Err(ReleaseError::Signature));
        assert_eq!(verify(&text, b""), Err(ReleaseError::Signature));
        assert_eq!(Release::verify(text.as_bytes(), good.as_ref(), b"no key"), Err(ReleaseError::Key));
    }

    #[test]
    fn a_signed_release_must_make_sense() {
        let (pair, key) = ed25519();
        for text in [
            manifest("latest", "v.efi"),
            manifest("1..2", "v.efi"),
            manifest("1.1.0", "../etc/passwd"),
            manifest("1.1.0", ".hidden"),
            manifest("1.1.0", "a b"),
            manifest("1.1.0", "v.efi").replace("ab", "zz"),
            "{}".to_owned(),
        ] {
            let seen = Release::verify(text.as_bytes(), pair.sign(text.as_bytes()).as_ref(), key.as_bytes());
            assert!(matches!(seen, Err(ReleaseError::Form(_))), "{text}: {seen:?}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let release =
            |version: &str| Release { version: version.into(), ..serde_json::from_str(&manifest("1", "v")).unwrap() };
        for (offered, running, seen) in [
            ("1.1.0", "1.0.9", Offer::Later),
            ("1.10.0", "1.9.0", Offer::Later),
            ("1.0.0", "1.0.0", Offer::Same),
            ("1.0", "1.0.0", Offer::Same),
            ("0.9", "1.0.0", Offer::Older),
        ] {
            assert_eq!(release(offered).offer(running), seen, "{offered} over {running}");
        }
    }
}
