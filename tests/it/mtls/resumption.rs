//! Sessions that are resumed skip the certificate: they must not carry a client over to other terms.

use std::sync::Mutex;

use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, NamedGroup, SupportedProtocolVersion};

use super::*;

/// A store that gives every ticket to whichever server it is asked for: what an attacker would do.
#[derive(Debug, Default)]
struct AnyServer {
    tls12: Mutex<Option<Tls12ClientSessionValue>>,
    tls13: Mutex<Vec<Tls13ClientSessionValue>>,
}

impl ClientSessionStore for AnyServer {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        *self.tls12.lock().unwrap() = Some(value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.tls12.lock().unwrap().clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        *self.tls12.lock().unwrap() = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.tls13.lock().unwrap().push(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.tls13.lock().unwrap().pop()
    }
}

fn keeping_tickets(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.resumption = Resumption::store(Arc::new(AnyServer::default()));
    Arc::new(config)
}

/// Connects to `name` and asks for `host` there: how the handshake went, and the status (0: none).
fn visit(vallum: &Vallum, name: &str, host: &str, config: &Arc<ClientConfig>) -> (Option<HandshakeKind>, u16) {
    let Ok(mut wire) = Wire::tls_with(vallum.address, name, config.clone()) else { return (None, 0) };
    let answered = wire.try_send(get(host, "/", "")).and_then(|()| wire.try_answer("GET"));
    (wire.session().handshake_kind(), answered.map_or(0, |answer| answer.status))
}

const FULL: Option<HandshakeKind> = Some(HandshakeKind::Full);
const RESUMED: Option<HandshakeKind> = Some(HandshakeKind::Resumed);

fn both_versions(test: impl Fn(&'static SupportedProtocolVersion)) {
    test(&TLS12);
    test(&TLS13);
}

#[test]
fn the_certificate_of_a_resumed_session_still_counts() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let vallum = Vallum::start(settings(&upstream, mtls(&authority, json!({}))));
    both_versions(|version| {
        let valid = keeping_tickets(authority.client("laptop", |_| {}).client(&[version]));
        assert_eq!(visit(&vallum, HOST, HOST, &valid), (FULL, 200));
        assert_eq!(visit(&vallum, HOST, HOST, &valid), (RESUMED, 200));
        let stranger = keeping_tickets(Authority::named("Other").client("laptop", |_| {}).client(&[version]));
        assert_eq!(visit(&vallum, HOST, HOST, &stranger), (FULL, 495));
        assert_eq!(visit(&vallum, HOST, HOST, &stranger), (RESUMED, 495));
        let nobody = keeping_tickets(accept_any(&[version]));
        assert_eq!(visit(&vallum, HOST, HOST, &nobody), (FULL, 495));
        assert_eq!(visit(&vallum, HOST, HOST, &nobody), (RESUMED, 495));
    });
}

#[test]
fn a_ticket_from_a_host_that_asks_nothing_is_worth_nothing_elsewhere() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let routes = |enforcement: &str| {
        json!({
            "downstream_mtls": {"enforcement": enforcement},
            "routes": [
                public_route(OTHER, json!(upstream.url())),
                and(
                    public_route(HOST, json!(upstream.url())),
                    json!({"tls_downstream_client_ca": base64(&authority.pem())}),
                ),
            ],
        })
    };
    for (enforcement, refused) in [("policy_with_default_deny", 495), ("reject_connection", 0)] {
        let vallum = Vallum::start(routes(enforcement));
        both_versions(|version| {
            let attacker = keeping_tickets(accept_any(&[version]));
            assert_eq!(visit(&vallum, OTHER, OTHER, &attacker), (FULL, 200));
            let (kind, status) = visit(&vallum, HOST, HOST, &attacker);
            assert_ne!(kind, RESUMED);
            assert_eq!(status, refused);
            // Nor does it help to keep the name of the ticket and ask for the other host.
            assert_eq!(visit(&vallum, OTHER, HOST, &attacker).1, 421);
        });
    }
}

#[test]
fn a_ticket_does_not_outlive_the_terms_it_was_given_by() {
    let (upstream, first, second) = (Upstream::echo(), Authority::named("First"), Authority::named("Second"));
    for (enforcement, refused) in [("policy_with_default_deny", 495), ("reject_connection", 0)] {
        let with = |authority| settings(&upstream, mtls(authority, json!({"enforcement": enforcement})));
        let vallum = Vallum::start(with(&first));
        both_versions(|version| {
            assert!(vallum.reload(with(&first)));
            let of_first = keeping_tickets(first.client("laptop", |_| {}).client(&[version]));
            assert_eq!(visit(&vallum, HOST, HOST, &of_first), (FULL, 200));
            assert_eq!(visit(&vallum, HOST, HOST, &of_first), (RESUMED, 200));
            assert!(vallum.reload(with(&second)));
            let (kind, status) = visit(&vallum, HOST, HOST, &of_first);
            assert_ne!(kind, RESUMED);
            assert_eq!(status, refused, "{enforcement} {version:?}");
        });
    }
}

#[test]
fn a_ticket_does_not_outlive_a_revocation() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let with = |serials: &[u64]| {
        let crl = base64(&authority.revoke(serials));
        settings(&upstream, mtls(&authority, json!({"crl": crl, "enforcement": "reject_connection"})))
    };
    let vallum = Vallum::start(with(&[1]));
    let identity = authority.client("laptop", |p| p.serial_number = Some(rcgen::SerialNumber::from(77)));
    let config = keeping_tickets(identity.client(&[]));
    assert_eq!(visit(&vallum, HOST, HOST, &config), (FULL, 200));
    let mut old = Wire::tls_with(vallum.address, HOST, config.clone()).unwrap();
    assert_eq!(old.ask(get(HOST, "/", "")).status, 200);
    assert!(vallum.reload(with(&[1, 77])));
    assert_eq!(visit(&vallum, HOST, HOST, &config).1, 0);
    assert_eq!(old.ask(get(HOST, "/", "")).status, 495, "the connection from before is judged anew");
}

#[test]
fn without_client_certificates_sessions_are_resumed_as_ever() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(json!({"routes": [public_route(HOST, json!(upstream.url()))]}));
    both_versions(|version| {
        let config = keeping_tickets(accept_any(&[version]));
        assert_eq!(visit(&vallum, HOST, HOST, &config), (FULL, 200));
        assert_eq!(visit(&vallum, HOST, HOST, &config), (RESUMED, 200));
        assert!(vallum.reload(json!({"routes": [public_route(HOST, json!(upstream.url()))]})));
        assert_eq!(visit(&vallum, HOST, HOST, &config), (RESUMED, 200));
    });
}
