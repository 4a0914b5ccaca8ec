//! One question and what is taken from its answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;

use super::{ADDRESSES_PER_NAME_MAX, LOOKUP_TIMEOUT};

/// Addresses (sorted, distinct, at least one) and how long they may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: Duration,
}

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("no answer within {} seconds", LOOKUP_TIMEOUT.as_secs())]
    Timeout,
    #[error("{0}")]
    Server(String),
    #[error("the answer holds no address")]
    Empty,
    #[error("the answer holds only forbidden addresses, such as {0}")]
    Forbidden(IpAddr),
}

/// Asks for a name.
pub(super) async fn ask(servers: &TokioResolver, name: &str) -> Result<Answer, Failure> {
    let lookup = tokio::time::timeout(LOOKUP_TIMEOUT, servers.lookup_ip(name)).await.map_err(|_| Failure::Timeout)?;
    let lookup = lookup.map_err(|error| Failure::Server(error.to_string()))?;
    let ttl = lookup.valid_until().saturating_duration_since(Instant::now());
    Ok(Answer { addresses: choose(lookup.iter())?, ttl })
}

/// The addresses that may be used.
fn choose(answered: impl Iterator<Item = IpAddr>) -> Result<Vec<IpAddr>, Failure> {
    let (mut addresses, forbidden): (Vec<IpAddr>, Vec<IpAddr>) = answered.partition(|ip| !is_forbidden(*ip));
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_PER_NAME_MAX);
    match (addresses.is_empty(), forbidden.first()) {
        (false, _) => Ok(addresses),
        (true, Some(address)) => Err(Failure::Forbidden(*address)),
        (true, None) => Err(Failure::Empty),
    }
}

/// Services of clouds that hand out credentials and have addresses outside of the link-local ranges.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Addresses that a name may not lead to: nobody serves there, or the machine's own credentials are there. Who means
/// such an address writes it into the configuration as it is.
fn is_forbidden(address: IpAddr) -> bool {
    let address = embedded_v4(address).map_or(address, IpAddr::V4);
    let is_special = match address {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    is_special || address.is_unspecified() || address.is_multicast() || METADATA.contains(&address)
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible (RFC 4291 section 2.5.5) or of the well-known
/// NAT64 prefix (RFC 6052).
fn embedded_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let [.., a, b, c, d] = v6.octets();
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(Ipv4Addr::new(a, b, c, d)),
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Some(Ipv4Addr::new(a, b, c, d)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_in_every_disguise() {
        for forbidden in [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "::ffff:0.0.0.0",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(is_forbidden(forbidden.parse().unwrap()), "{forbidden}");
        }
        for usable in ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "8.8.8.8", "fd00::1", "2001:db8::1", "100.64.0.1"]
        {
            assert!(!is_forbidden(usable.parse().unwrap()), "{usable}");
        }
    }

    #[test]
    fn choosing_sorts_and_bounds() {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let answered = ["10.0.0.2", "169.254.1.1", "10.0.0.1", "10.0.0.2"].map(ip);
        assert_eq!(choose(answered.into_iter()), Ok(vec![ip("10.0.0.1"), ip("10.0.0.2")]));
        assert_eq!(choose([ip("0.0.0.0")].into_iter()), Err(Failure::Forbidden(ip("0.0.0.0"))));
        assert_eq!(choose(std::iter::empty()), Err(Failure::Empty));
        let many = (0..1000u32).map(|n| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)));
        assert_eq!(choose(many).unwrap().len(), ADDRESSES_PER_NAME_MAX);
    }
}
