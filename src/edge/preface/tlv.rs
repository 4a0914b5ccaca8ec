//! What stands behind the addresses of a version 2 header (section 2.2): all of it must be well-formed, and the checksum
//! must be right. Nothing of it is believed.

use ppp::v2;

use super::PrefaceError::{self, Checksum, Malformed};

/// `PP2_TYPE_AUTHORITY`: a host name.
const AUTHORITY: u8 = 0x02;
const AUTHORITY_LEN_MAX: usize = 255;
/// `PP2_TYPE_CRC32C`.
pub(super) const CRC32C: u8 = 0x03;
const CRC32C_LEN: usize = 4;
/// `PP2_TYPE_UNIQUE_ID`.
const UNIQUE_ID: u8 = 0x05;
const UNIQUE_ID_LEN_MAX: usize = 128;
/// `PP2_TYPE_SSL`: a byte of flags and a number, then TLVs of its own.
const SSL: u8 = 0x20;
const SSL_FIXED_LEN: usize = 5;
/// Reads all TLVs, which must fill the header exactly, and verifies the checksum if there is one.
pub(super) fn check(whole: &[u8], header: &v2::Header<'_>) -> Result<(), PrefaceError> {
    let mut rest = header.tlv_bytes();
    let mut checksum = None;
    while let Some((kind, value)) = next(&mut rest)? {
        match kind {
            CRC32C if checksum.is_some() || value.len() != CRC32C_LEN => return Err(Malformed),
            CRC32C => checksum = Some((whole.len() - rest.len() - CRC32C_LEN, value)),
            AUTHORITY if value.len() > AUTHORITY_LEN_MAX => return Err(Malformed),
            UNIQUE_ID if value.len() > UNIQUE_ID_LEN_MAX => return Err(Malformed),
            SSL => check_ssl(value)?,
            _ => {}
        }
    }
    match checksum {
        Some((place, stated)) if sum_without(whole, place).to_be_bytes() != *stated => Err(Checksum),
        _ => Ok(()),
    }
}

fn check_ssl(value: &[u8]) -> Result<(), PrefaceError> {
    let mut rest = value.get(SSL_FIXED_LEN..).ok_or(Malformed)?;
    while next(&mut rest)?.is_some() {}
    Ok(())
}

/// Takes the TLV at the start of `rest`; `None` at its end.
fn next<'b>(rest: &mut &'b [u8]) -> Result<Option<(u8, &'b [u8])>, PrefaceError> {
    if rest.is_empty() {
        return Ok(None);
    }
    let &[kind, high, low, ref behind @ ..] = *rest else { return Err(Malformed) };
    let (value, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes([high, low]))).ok_or(Malformed)?;
    *rest = behind;
    Ok(Some((kind, value)))
}

/// The checksum over the whole header, the bytes that state it being nought.
fn sum_without(whole: &[u8], place: usize) -> u32 {
    let sum = crc32c::crc32c(&whole[..place]);
    let sum = crc32c::crc32c_append(sum, &[0; CRC32C_LEN]);
    crc32c::crc32c_append(sum, &whole[place + CRC32C_LEN..])
}
