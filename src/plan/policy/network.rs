//! Addresses and networks of `source_ip`, read as Go's `net` does.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::problem::{Problems, quote, type_name};

/// Prefix of `::ffff:0:0/96`, under which IPv4 addresses are written as IPv6 ones.
const MAPPED_PREFIX: u8 = 96;

/// Reads one address or CIDR, or a list of them.
pub(super) fn read(data: &Value, problems: &mut Problems) -> Box<[IpNet]> {
    match data {
        Value::String(_) => network(data, problems).into_iter().collect(),
        Value::Array(list) => {
            let one = |(index, data)| problems.index(index, |problems| network(data, problems));
            list.iter().enumerate().filter_map(one).collect()
        }
        _ => {
            let seen = type_name(data);
            problems.bad_data::<()>(format_args!("expected string or array of strings, got: {seen}"));
            Box::default()
        }
    }
}

fn network(data: &Value, problems: &mut Problems) -> Option<IpNet> {
    let Value::String(text) = data else {
        return problems.bad_data(format_args!("expected string value, got: {}", type_name(data)));
    };
    match parse(text) {
        Some(network) => Some(network),
        None => problems.bad_data(format_args!("expected IP or CIDR range, got: {}", quote(text))),
    }
}

fn parse(text: &str) -> Option<IpNet> {
    let Some((address, prefix)) = text.split_once('/') else {
        return Some(IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()));
    };
    let address: IpAddr = address.parse().ok()?;
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u8 = if digits { prefix.parse().ok()? } else { return None };
    match (address, address.to_canonical()) {
        (IpAddr::V6(_), mapped @ IpAddr::V4(_)) if prefix >= MAPPED_PREFIX => {
            IpNet::new(mapped, prefix - MAPPED_PREFIX).ok()
        }
        _ => IpNet::new(address, prefix).ok(),
    }
}

/// Whether `address` lies in one of the networks. An IPv4 address written as IPv6 counts as IPv4.
pub(super) fn contain(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership() {
        let cases = [
            ("1.2.3.4", "1.2.3.4", true),
            ("1.2.3.4", "1.2.3.5", false),
            ("1.2.3.4", "::ffff:1.2.3.4", true),
            ("192.168.1.1/24", "192.168.1.200", true),
            ("192.168.1.1/24", "192.168.2.1", false),
            ("10.0.0.0/08", "10.9.9.9", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "1.2.3.4", false),
            ("::/0", "::ffff:1.2.3.4", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::1", "2001:db8::1", true),
            ("2001:db8::1", "2001:db8::2", false),
            ("2001:db8::5/32", "2001:db8:1:2:3:4:5:6", true),
            ("2001:db8::/32", "2001:ffff::1", false),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("::ffff:1.2.3.4", "1.2.3.4", true),
            ("::ffff:0.0.0.0/95", "1.2.3.4", false),
        ];
        for (network, address, expected) in cases {
            let network = parse(network).unwrap();
            assert_eq!(contain(&[network], address.parse().unwrap()), expected, "{network} {address}");
        }
    }

    #[test]
    fn rejected() {
        let texts = ["", "x", "1.2.3", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/+8", "1.2.3.4/8/8", "/8", "01.2.3.4"];
        let more = ["::1/129", "::1/256", "fe80::1%eth0", "fe80::1%eth0/64", " 1.2.3.4", "1.2.3.4/ 8", "[::1]"];
        for text in texts.into_iter().chain(more) {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
