//! The data types of SSH (RFC 4251 section 5).

/// Takes values off the front of bytes; `None` when they are cut short.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.uint32()?).ok()?;
        let (value, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(value)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }

    pub(super) fn uint32(&mut self) -> Option<u32> {
        let (value, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_be_bytes(*value))
    }

    pub(super) fn uint64(&mut self) -> Option<u64> {
        let (value, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u64::from_be_bytes(*value))
    }

    /// Takes `count` strings (or big integers, which have the same form).
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.string().map(drop))
    }

    /// A big integer that is not negative, without leading zeros.
    pub(super) fn unsigned(&mut self) -> Option<&'a [u8]> {
        let value = self.string()?;
        if value.first().is_some_and(|first| first & 0x80 != 0) {
            return None;
        }
        let zeros = value.iter().take_while(|byte| **byte == 0).count();
        Some(&value[zeros..])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// `None` when something is left.
    pub(super) fn end(self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

/// How many strings make a public key, behind the name of its algorithm; `None`: not known.
pub(super) fn key_parts(algorithm: &str) -> Option<usize> {
    Some(match algorithm {
        "ssh-ed25519" => 1,
        "ssh-rsa" | "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => 2,
        "sk-ssh-ed25519@openssh.com" => 2,
        "sk-ecdsa-sha2-nistp256@openssh.com" => 3,
        _ => return None,
    })
}
