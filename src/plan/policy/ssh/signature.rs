//! Signatures of certificate authorities.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::wire::Reader;

/// Whether `signature` over `signed` is one by the public key `authority`, all in wire format. SHA-1 is not accepted, nor
/// are keys in hardware that sign more than the message (`sk-…`).
pub(super) fn verifies(authority: &[u8], signature: &[u8], signed: &[u8]) -> bool {
    check(authority, signature, signed).is_some()
}

/// `None`: it is not.
fn check(authority: &[u8], signature: &[u8], signed: &[u8]) -> Option<()> {
    let (mut key, mut signature) = (Reader::new(authority), Reader::new(signature));
    let (key_algorithm, algorithm) = (key.text()?, signature.text()?);
    let bytes = signature.string()?;
    signature.end()?;
    match (key_algorithm, algorithm) {
        ("ssh-ed25519", "ssh-ed25519") => {
            let public = key.string()?;
            UnparsedPublicKey::new(&ED25519, public).verify(signed, bytes).ok()?;
        }
        ("ssh-rsa", "rsa-sha2-256" | "rsa-sha2-512") => {
            let (e, n) = (key.unsigned()?, key.unsigned()?);
            let parameters = match algorithm {
                "rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
                _ => &RSA_PKCS1_2048_8192_SHA512,
            };
            RsaPublicKeyComponents { n, e }.verify(parameters, signed, bytes).ok()?;
        }
        (curve, same) if curve == same => {
            let (parameters, width) = match curve {
                "ecdsa-sha2-nistp256" => (&ECDSA_P256_SHA256_FIXED, 32),
                "ecdsa-sha2-nistp384" => (&ECDSA_P384_SHA384_FIXED, 48),
                "ecdsa-sha2-nistp521" => (&ECDSA_P521_SHA512_FIXED, 66),
                _ => return None,
            };
            let (_curve, point) = (key.string()?, key.string()?);
            UnparsedPublicKey::new(parameters, point).verify(signed, &fixed(bytes, width)?).ok()?;
        }
        _ => return None,
    }
    key.end()
}

/// The two integers of an ECDSA signature side by side, each `width` bytes.
fn fixed(signature: &[u8], width: usize) -> Option<Vec<u8>> {
    let mut reader = Reader::new(signature);
    let mut fixed = vec![0; 2 * width];
    for half in fixed.chunks_mut(width) {
        let integer = reader.unsigned()?;
        let start = width.checked_sub(integer.len())?;
        half[start..].copy_from_slice(integer);
    }
    reader.end()?;
    Some(fixed)
}
