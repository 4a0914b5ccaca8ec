//! Keys and certificates as OpenSSH makes them.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

const VECTORS: &str = include_str!("vectors.txt");
/// In 2025.
const NOW: i64 = 1_750_000_000;
const AUTHORITIES: [&str; 5] = ["ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa"];

fn line(name: &str) -> &'static str {
    let found = VECTORS.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{name}"))
}

fn wire(name: &str) -> Vec<u8> {
    STANDARD.decode(line(name).split(' ').nth(1).unwrap()).unwrap()
}

fn listed(name: &str) -> ListedKey {
    authorized_key::parse(line(name)).unwrap()
}

fn login(username: &str, name: &str) -> Login {
    Login { username: username.into(), key: Key::parse(&wire(name)).unwrap() }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Whether the certificate `name` lets `username` in at `now`, when the authority `ca` is listed.
fn certified(username: &str, name: &str, ca: &str, now: i64) -> bool {
    login(username, name).is_certified_by(&[listed(ca)], address("10.1.2.3"), now)
}

#[test]
fn keys_are_compared_whole() {
    let user = login("alice", "user");
    assert!(user.has_key(&[listed("ca-rsa"), listed("user")]));
    assert!(!user.has_key(&[listed("ca-rsa")]) && !user.has_key(&[]));
    assert!(!login("alice", "by-ed25519").has_key(&[listed("user")]), "a certificate is not its key");
    assert!(!user.is_certified_by(&[listed("user")], address("10.1.2.3"), NOW), "a key is no certificate");
}

#[test]
fn every_kind_of_authority() {
    for ca in AUTHORITIES {
        for listed in AUTHORITIES {
            let value = certified("alice", &format!("by-{ca}"), &format!("ca-{listed}"), NOW);
            assert_eq!(value, ca == listed, "{ca} {listed}");
        }
    }
    for name in ["rsa-user", "ecdsa-user"] {
        assert!(certified("alice", name, "ca-ed25519", NOW), "{name}");
    }
}

#[test]
fn principals_validity_and_options() {
    let by = |username, name, now| certified(username, name, "ca-ed25519", now);
    assert!(by("root", "by-ed25519", NOW));
    for username in ["bob", "Alice", "", "alic", "alice,root"] {
        assert!(!by(username, "by-ed25519", NOW), "{username}");
    }
    assert!(!by("alice", "no-principals", NOW) && !by("", "no-principals", NOW));
    assert!(!by("alice", "host", NOW), "a certificate of a host");
    assert!(!by("alice", "forced-command", NOW), "a critical option that is not understood");
    assert!(!certified("alice", "by-rsa-sha1", "ca-rsa", NOW), "SHA-1");
    let (after, before) = (1_577_836_800, 1_893_456_000);
    for (now, value) in [(after - 1, false), (after, true), (before - 1, true), (before, false), (-1, false)] {
        assert_eq!(by("alice", "by-ed25519", now), value, "{now}");
    }
    for (source, value) in
        [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("192.168.1.1", true), ("192.168.1.2", false)]
    {
        let login = login("alice", "source-address");
        assert_eq!(login.is_certified_by(&[listed("ca-ed25519")], address(source), NOW), value, "{source}");
    }
}

#[test]
fn any_changed_byte_spoils_a_certificate() {
    let good = wire("by-ed25519");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        if let Ok(key) = Key::parse(&bad) {
            let login = Login { username: "alice".into(), key };
            assert!(!login.is_certified_by(&[listed("ca-ed25519")], address("10.1.2.3"), NOW), "byte {at}");
        }
    }
    for length in 0..good.len() {
        assert_eq!(Key::parse(&good[..length]), Err(KeyError::Form), "{length} bytes");
    }
    assert_eq!(Key::parse(&[good, vec![0]].concat()), Err(KeyError::Form));
    assert_eq!(Key::parse(&vec![0; KEY_BYTES_MAX + 1]), Err(KeyError::TooLarge));
    assert_eq!(Key::parse(b"\0\0\0\x07ssh-dss\0\0\0\0"), Err(KeyError::Algorithm));
}

#[test]
fn lines_of_authorized_keys() {
    let key = line("user");
    let good = [
        key.to_owned(),
        format!("{key} alice@laptop with words"),
        format!("  {key}\n"),
        format!("# a comment\n\n{key}"),
        format!("nonsense\n{key}"),
        format!("no-pty,command=\"echo \\\"a b\\\" c\" {key} comment"),
        format!("restrict\t{key}"),
    ];
    for text in good {
        assert_eq!(authorized_key::parse(&text), Some(listed("user")), "{text}");
    }
    let encoded = key.split(' ').nth(1).unwrap();
    let bad = [
        String::new(),
        "ssh-ed25519".to_owned(),
        "ssh-ed25519 AAAA".to_owned(),
        format!("ssh-rsa {encoded}"),
        encoded.to_owned(),
        format!("#{key}"),
        format!("command=\"open {key}"),
        format!("ssh-ed25519 {}", &encoded[..encoded.len() - 4]),
    ];
    for text in bad {
        assert_eq!(authorized_key::parse(&text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..400usize) {
        let _ = Key::parse(&bytes);
        let mut spoilt = wire("by-ecdsa256");
        let at = at % spoilt.len();
        spoilt.truncate(at);
        spoilt.extend(&bytes);
        let _ = Key::parse(&spoilt);
        let _ = authorized_key::parse(&String::from_utf8_lossy(&bytes));
    }
}
