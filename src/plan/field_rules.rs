//! What is believed of the fields that a client sends: names with underscores, and the addresses of earlier hops.

use std::net::IpAddr;

/// `headers_with_underscores_action`, `xff_num_trusted_hops`, `skip_xff_append`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldRules {
    pub underscores: Underscores,
    /// How many proxies in front of us are trusted to have appended to X-Forwarded-For whom they saw; 0: the peer is the
    /// client.
    pub trusted_hops: u32,
    /// Our own peer is not appended to X-Forwarded-For.
    pub skip_append: bool,
}

/// What is done about a field whose name holds `_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Underscores {
    /// It passes, unless it is another spelling of a field that means something to us.
    Allow,
    #[default]
    Reject,
    Drop,
}

impl FieldRules {
    /// The client's address: with N trusted hops the Nth from the end of what X-Forwarded-For lists (`values` are its
    /// field values in order); `peer` when there are fewer or that one is no address. As Envoy does.
    pub fn client<'v>(&self, peer: IpAddr, values: impl DoubleEndedIterator<Item = &'v [u8]>) -> IpAddr {
        let Some(skipped) = (self.trusted_hops as usize).checked_sub(1) else { return peer };
        let mut from_end = values.rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
        let named = from_end.nth(skipped).and_then(|text| std::str::from_utf8(text).ok());
        named.and_then(|text| text.trim_matches([' ', '\t']).parse().ok()).map_or(peer, |ip: IpAddr| ip.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_found_by_trusted_hops() {
        for (hops, values, expected) in [
            (0, &["1.1.1.1"][..], "9.9.9.9"),
            (1, &["1.1.1.1"], "1.1.1.1"),
            (1, &["1.1.1.1, 2.2.2.2"], "2.2.2.2"),
            (2, &["1.1.1.1, 2.2.2.2"], "1.1.1.1"),
            (2, &["1.1.1.1", " 2.2.2.2 "], "1.1.1.1"),
            (3, &["1.1.1.1, 2.2.2.2"], "9.9.9.9"),
            (1, &[], "9.9.9.9"),
            (1, &["1.1.1.1, nonsense"], "9.9.9.9"),
            (1, &["1.1.1.1:80"], "9.9.9.9"),
            (1, &["1.1.1.1,"], "9.9.9.9"),
            (1, &["2001:DB8::1"], "2001:db8::1"),
            (1, &["::ffff:1.2.3.4"], "1.2.3.4"),
            (u32::MAX, &["1.1.1.1"], "9.9.9.9"),
        ] {
            let rules = FieldRules { trusted_hops: hops, ..FieldRules::default() };
            let client = rules.client("9.9.9.9".parse().unwrap(), values.iter().map(|v| v.as_bytes()));
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{hops} {values:?}");
        }
    }
}
