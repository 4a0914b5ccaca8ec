use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::*;

#[derive(Debug)]
struct Noting(Arc<CertifiedKey>);

impl ResolvesServerCert for Noting {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        note_server_name(hello.server_name());
        Some(self.0.clone())
    }
}

fn configs() -> (Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["one.test".to_owned(), "two.test".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls_pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let signing = provider.key_provider.load_private_key(key).unwrap();
    let resolver = Noting(Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], signing)));
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

/// Both sides of one handshake, advanced a flight at a time.
struct Pair(Session, Session, Vec<u8>);

impl Pair {
    fn step(&mut self) -> bool {
        let Pair(server, client, flight) = self;
        let mut to_server = Vec::new();
        client.advance(std::mem::take(flight), &mut to_server).unwrap();
        server.advance(to_server, flight).unwrap()
    }
}

#[test]
fn handshakes_on_one_thread_keep_their_names_apart() {
    let (server, client) = configs();
    let pair = |name: &'static str| {
        let name = rustls_pki_types::ServerName::try_from(name).unwrap();
        let client = Session::client(client.clone(), name).unwrap();
        Pair(Session::server(server.clone()).unwrap(), client, Vec::new())
    };
    let (mut one, mut two, begun) = (pair("one.test"), pair("two.test"), pair("two.test"));
    while !(one.step() & two.step()) {}
    assert_eq!(one.0.summary().server_name.as_deref(), Some("one.test"));
    assert_eq!(two.0.summary().server_name.as_deref(), Some("two.test"));
    assert_eq!(begun.0.summary().server_name, None, "none was asked for yet");
}

#[test]
fn a_session_at_rest_holds_no_room() {
    let (server, client) = configs();
    let name = rustls_pki_types::ServerName::try_from("one.test").unwrap();
    let mut pair = Pair(Session::server(server).unwrap(), Session::client(client, name).unwrap(), Vec::new());
    while !pair.step() {}
    // Tickets, which follow the handshake.
    let Pair(server, client, flight) = &mut pair;
    assert!(client.advance(std::mem::take(flight), &mut Vec::new()).unwrap());
    let (mut sealed, mut plain) = (Vec::new(), Vec::new());
    let length = client.seal(b"hello", &mut sealed).unwrap();
    sealed.truncate(length);
    assert_eq!((server.open(sealed, &mut plain).unwrap(), &*plain), (5, &b"hello"[..]));
    for (side, session) in [("server", server), ("client", client)] {
        let rooms = [&session.incoming, &session.early, &session.pending].map(Vec::capacity);
        assert_eq!(rooms, [0; 3], "{side}");
    }
}

#[test]
fn what_a_room_held_before_is_never_part_of_a_record() {
    let (server, client) = configs();
    let name = rustls_pki_types::ServerName::try_from("one.test").unwrap();
    let mut pair = Pair(Session::server(server).unwrap(), Session::client(client, name).unwrap(), Vec::new());
    while !pair.step() {}
    let Pair(server, client, flight) = &mut pair;
    client.advance(std::mem::take(flight), &mut Vec::new()).unwrap();
    let (mut room, mut plain) = (vec![b'x'; 100_000], Vec::new());
    for size in [1, 40_000, 7, 16_384, 16_385, 100_000, 3] {
        let message: Vec<u8> = (0..size).map(|n| n as u8).collect();
        let length = server.seal(&message, &mut room).unwrap();
        assert!(length > size && length <= room.len(), "{length} bytes for {size}");
        plain.clear();
        assert_eq!(client.open(room[..length].to_vec(), &mut plain).unwrap(), size);
        assert!(plain == message, "{size}");
    }
}
