//! Sealing, signing and key derivation: thin wrappers, no primitives of our own.
//!
//! Every purpose has its own key, derived from one of the two configured secrets by HKDF-SHA256
//! with a label ([`secret::Purpose`]); no key serves two purposes.

pub mod jws;
pub mod seal;
pub mod secret;
pub mod signed_url;

/// `N` bytes from the operating system's generator.
///
/// # Panics
/// When the operating system has no randomness to give; nothing safe can be done then.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
