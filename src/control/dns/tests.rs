//! The resolver against a name server of its own on loopback.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use arc_swap::ArcSwap;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::*;
use crate::plan::cluster::{Endpoint, Endpoints, Protocol, Target};

/// What the name server says about a name.
#[derive(Clone)]
enum Says {
    Addresses(Vec<IpAddr>, u32),
    Code(ResponseCode),
    /// This address, after the answer of somebody who guessed the question's number wrong.
    Forged(IpAddr),
}

/// A name server whose answers can be changed, and which counts the questions for each name.
#[derive(Clone, Default)]
struct NameServer {
    says: Arc<Mutex<HashMap<String, Says>>>,
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

impl NameServer {
    async fn start(&self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = self.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                for datagram in server.replies(&buffer[..length]) {
                    socket.send_to(&datagram, client).await.unwrap();
                }
            }
        });
        address
    }

    fn says(&self, name: &str, says: Says) {
        self.says.lock().unwrap().insert(format!("{name}."), says);
    }

    fn addresses(&self, name: &str, addresses: &[&str], ttl: u32) {
        self.says(name, Says::Addresses(addresses.iter().map(|a| a.parse().unwrap()).collect(), ttl));
    }

    fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().get(&format!("{name}.")).copied().unwrap_or(0)
    }

    fn replies(&self, question: &[u8]) -> Vec<Vec<u8>> {
        let mut message = Message::from_vec(question).unwrap();
        let query = message.queries[0].clone();
        let name = query.name().to_ascii().to_lowercase();
        if query.query_type() == RecordType::A {
            *self.asked.lock().unwrap().entry(name.clone()).or_default() += 1;
        }
        message = message.into_response();
        let mut answer = |ip: IpAddr, ttl| {
            if ip.is_ipv4() == (query.query_type() == RecordType::A) {
                message.add_answer(Record::from_rdata(query.name().clone(), ttl, RData::from(ip)));
            }
        };
        match self.says.lock().unwrap().get(&name).cloned().unwrap_or(Says::Code(ResponseCode::NXDomain)) {
            Says::Code(code) => message.metadata.response_code = code,
            Says::Addresses(addresses, ttl) => addresses.into_iter().for_each(|ip| answer(ip, ttl)),
            Says::Forged(ip) => {
                answer(ip, 60);
                let good = message.to_vec().unwrap();
                let mut forged = good.clone();
                forged[0] ^= 0xff;
                if let IpAddr::V4(v4) = ip
                    && let Some(place) = good.windows(4).position(|bytes| bytes == v4.octets())
                {
                    forged[place] ^= 0xff;
                }
                return vec![forged, good];
            }
        }
        vec![message.to_vec().unwrap()]
    }
}

async fn resolver(server: &NameServer, hosts: &str) -> Resolver {
    let address = server.start().await;
    let mut config = NameServerConfig::udp(address.ip());
    config.connections[0].port = address.port();
    let servers = Servers::fixed(ResolverConfig::from_name_servers(vec![config]), hosts);
    Resolver::with(servers, Catalogue::new())
}

fn target(host: &str, port: u16, tls: bool, weight: u32) -> Target {
    Target { tls, host: host.into(), port, weight, server_name: None }
}

/// A cluster as the configuration makes it: literal addresses are endpoints at once.
fn cluster(targets: Vec<Target>) -> Cluster {
    let literal = targets.iter().filter_map(|t| {
        let address = SocketAddr::new(t.literal()?, t.port);
        Some(Arc::new(Endpoint::new(address, &t.authority(), t.verified_name(), t.weight)))
    });
    let endpoints = ArcSwap::from_pointee(Endpoints::new(literal.collect()));
    Cluster { name: "c".into(), protocol: Protocol::Http1, targets, tls: None, tls_key: 0, endpoints }
}

fn addresses(cluster: &Cluster) -> Vec<String> {
    cluster.endpoints.load().iter().map(|endpoint| endpoint.address.to_string()).collect()
}

#[tokio::test]
async fn names_become_endpoints() {
    let server = NameServer::default();
    server.addresses("app.test", &["10.0.0.2", "10.0.0.1", "2001:db8::1"], 60);
    server.addresses("six.test", &["2001:db8::6"], 60);
    let resolver = resolver(&server, "10.9.9.9 files.test\n").await;
    let mixed = cluster(vec![
        target("app.test", 443, true, 3),
        target("192.0.2.1", 8080, false, 1),
        target("six.test", 80, false, 1),
        target("files.test", 81, false, 1),
        target("nowhere.test", 80, false, 1),
        target("localhost", 82, false, 1),
    ]);
    resolver.refresh(&[("r", &mixed)], Instant::now()).await;
    assert_eq!(
        addresses(&mixed),
        ["10.0.0.1:443", "10.0.0.2:443", "192.0.2.1:8080", "[2001:db8::6]:80", "10.9.9.9:81", "127.0.0.1:82"]
    );
    let endpoints = mixed.endpoints.load_full();
    let first = endpoints.iter().next().unwrap();
    assert_eq!((&*first.authority, first.weight), ("app.test", 3));
    assert_eq!(first.server_name.as_ref().unwrap().to_str(), "app.test");
    let clear: Vec<_> = endpoints.iter().filter(|e| e.server_name.is_none()).map(|e| &*e.authority).collect();
    assert_eq!(clear, ["192.0.2.1:8080", "six.test", "files.test:81", "localhost:82"]);
    assert_eq!(server.asked("files.test") + server.asked("localhost"), 0);
}

#[tokio::test]
async fn answers_are_renewed_when_they_are_due_and_stale_ones_kept() {
    let server = NameServer::default();
    let resolver = resolver(&server, "").await;
    let app = cluster(vec![target("app.test", 80, false, 1)]);
    let upstreams = [("r", &app)];
    let start = Instant::now();
    let at = |seconds: u64| start + Duration::from_secs(seconds);

    server.addresses("app.test", &["10.0.0.1", "10.0.0.2"], 30);
    assert!(resolver.refresh(&upstreams, at(0)).await);
    let before = app.endpoints.load_full();
    assert_eq!(addresses(&app), ["10.0.0.1:80", "10.0.0.2:80"]);

    // Within the TTL nobody asks; with an equal answer nothing is replaced.
    server.addresses("app.test", &["10.0.0.2", "10.0.0.1"], 1);
    assert!(!resolver.refresh(&upstreams, at(20)).await);
    assert!(resolver.refresh(&upstreams, at(31)).await);
    assert!(Arc::ptr_eq(&before, &app.endpoints.load_full()));
    assert_eq!(server.asked("app.test"), 2);

    // A TTL of one second is stretched to five.
    assert!(!resolver.refresh(&upstreams, at(34)).await);
    server.addresses("app.test", &["10.0.0.2", "10.0.0.3"], 0);
    assert!(resolver.refresh(&upstreams, at(37)).await);
    assert_eq!(addresses(&app), ["10.0.0.2:80", "10.0.0.3:80"]);
    let after = app.endpoints.load_full();
    assert!(Arc::ptr_eq(before.iter().nth(1).unwrap(), after.iter().next().unwrap()), "the endpoint that stays");

    // Failures of every kind leave what is known, and are asked again after five seconds.
    let failures = [
        Says::Code(ResponseCode::ServFail),
        Says::Code(ResponseCode::NXDomain),
        Says::Code(ResponseCode::Refused),
        Says::Addresses(vec![], 60),
        Says::Addresses(vec!["169.254.169.254".parse().unwrap()], 60),
    ];
    let mut now = 43;
    for failure in failures {
        server.says("app.test", failure);
        assert!(resolver.refresh(&upstreams, at(now)).await);
        assert!(Arc::ptr_eq(&after, &app.endpoints.load_full()));
        assert!(!resolver.refresh(&upstreams, at(now + 4)).await);
        now += 6;
    }
    server.addresses("app.test", &["10.0.0.9"], 60);
    assert!(resolver.refresh(&upstreams, at(now)).await);
    assert_eq!(addresses(&app), ["10.0.0.9:80"]);
}

#[tokio::test]
async fn a_new_plan_starts_with_what_is_known() {
    let server = NameServer::default();
    server.addresses("app.test", &["10.0.0.1"], 60);
    let resolver = resolver(&server, "").await;
    let now = Instant::now();
    let old = cluster(vec![target("app.test", 80, false, 1)]);
    resolver.refresh(&[("r", &old)], now).await;
    let new = cluster(vec![target("app.test", 80, false, 1)]);
    assert!(!resolver.refresh(&[("r", &new)], now).await, "nothing was due");
    assert_eq!(addresses(&new), ["10.0.0.1:80"]);
    // Names of old plans are forgotten.
    resolver.0.table.forget_all_but(&[]);
    assert!(resolver.refresh(&[("r", &new)], now).await);
}

#[tokio::test]
async fn only_the_good_addresses_of_an_answer_are_taken() {
    let server = NameServer::default();
    server.addresses("app.test", &["169.254.169.254", "10.0.0.1", "0.0.0.0"], 60);
    server.addresses("trap.test", &["169.254.169.254"], 60);
    let resolver = resolver(&server, "169.254.169.254 hosts.test\n").await;
    let app = cluster(vec![
        target("app.test", 80, false, 1),
        target("trap.test", 80, false, 1),
        target("hosts.test", 80, false, 1),
    ]);
    resolver.refresh(&[("r", &app)], Instant::now()).await;
    assert_eq!(addresses(&app), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_name_is_asked_once_for_all_routes_and_nonsense_harms_nobody() {
    let server = NameServer::default();
    server.addresses("app.test", &["10.0.0.1"], 60);
    let resolver = resolver(&server, "").await;
    let nonsense = ["", "..", "a..b", "ä ö", "\0", "1.2.3", &"x".repeat(300)];
    let odd = cluster(nonsense.iter().map(|host| target(host, 80, false, 1)).collect());
    let (a, b) = (cluster(vec![target("app.test", 80, false, 1)]), cluster(vec![target("app.test", 81, false, 1)]));
    resolver.refresh(&[("odd", &odd), ("a", &a), ("b", &b)], Instant::now()).await;
    assert_eq!((addresses(&a), addresses(&b)), (vec!["10.0.0.1:80".into()], vec!["10.0.0.1:81".into()]));
    assert_eq!(server.asked("app.test"), 1);
    assert_eq!(addresses(&odd), [""; 0]);
}

#[tokio::test]
async fn a_forged_answer_is_not_believed() {
    let server = NameServer::default();
    server.says("app.test", Says::Forged("10.0.0.1".parse().unwrap()));
    let resolver = resolver(&server, "").await;
    let app = cluster(vec![target("app.test", 80, false, 1)]);
    resolver.refresh(&[("r", &app)], Instant::now()).await;
    assert_eq!(addresses(&app), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn clusters_of_addresses_are_left_alone() {
    let resolver = resolver(&NameServer::default(), "").await;
    let literal = cluster(vec![target("169.254.169.254", 80, false, 1), target("::1", 443, true, 1)]);
    let before = literal.endpoints.load_full();
    assert!(!resolver.refresh(&[("r", &literal)], Instant::now()).await);
    assert!(Arc::ptr_eq(&before, &literal.endpoints.load_full()));
    assert_eq!(&*before.iter().nth(1).unwrap().authority, "[::1]");
}

#[tokio::test]
async fn a_plan_is_filled_and_counted() {
    let server = NameServer::default();
    server.addresses("app.test", &["10.0.0.1", "10.0.0.2"], 60);
    let resolver = resolver(&server, "").await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    let text = "routes:\n\
                - {name: app, from: 'https://a.test', to: 'http://app.test', allow_public_unauthenticated_access: true}\n\
                - {name: gone, from: 'https://b.test', to: 'http://gone.test', allow_public_unauthenticated_access: true}\n";
    std::fs::write(&file, text).unwrap();
    let plan = crate::control::config::load(Some(&file), &Default::default(), 1).unwrap().plan;
    resolver.resolve(&plan).await;
    let cluster = plan.routes.iter().next().unwrap().action.cluster().unwrap().clone();
    assert_eq!(addresses(&cluster), ["10.0.0.1:80", "10.0.0.2:80"]);
    let scrape = || resolver.0.catalogue.render().unwrap();
    let counts = |route: &str, up: usize, down: usize| {
        format!(
            "vallum_upstream_endpoints{{route=\"{route}\",state=\"down\"}} {down}\n\
             vallum_upstream_endpoints{{route=\"{route}\",state=\"up\"}} {up}\n"
        )
    };
    let sorted = |text: String| {
        let mut lines: Vec<String> =
            text.lines().filter(|line| line.starts_with("vallum_upstream_endpoints{")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(scrape()), sorted(counts("app", 2, 0) + &counts("gone", 0, 0)));
    cluster.endpoints.load().iter().next().unwrap().mark_down(u64::MAX);
    resolver.report(&plan);
    assert_eq!(sorted(scrape()), sorted(counts("app", 1, 1) + &counts("gone", 0, 0)));
}
