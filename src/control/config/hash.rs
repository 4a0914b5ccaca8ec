//! FNV-1a, 64 bit: stable over versions and machines, for route ids and checksums. Not for anything secret.

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A running FNV-1a sum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fnv(u64);

impl Fnv {
    pub(super) fn new() -> Self {
        Fnv(OFFSET)
    }

    /// Adds `bytes` and a separator, so that ("ab", "c") and ("a", "bc") differ.
    pub(super) fn part(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
        }
        self
    }

    pub(super) fn sum(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums_and_separation() {
        // FNV-1a of the single byte 0xff and of "a\xff", computed by hand from the definition.
        assert_eq!(Fnv::new().part(b"").sum(), (OFFSET ^ 0xff).wrapping_mul(PRIME));
        assert_ne!(Fnv::new().part(b"ab").part(b"c").sum(), Fnv::new().part(b"a").part(b"bc").sum());
        assert_eq!(Fnv::new().part(b"ab").sum(), Fnv::new().part(b"ab").sum());
    }
}
