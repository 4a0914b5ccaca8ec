//! Sockets outlive the process: no client is refused while one life ends and the next begins.

use std::os::fd::{AsFd, OwnedFd};

use rustix::process::Signal;
use serde_json::json;

use super::supervisor::{Supervisor, bind};
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{PATIENCE, Upstream, Wire};

const DRIVERS: [&str; 2] = ["io_uring", "epoll"];

#[test]
fn sockets_of_units_are_served_and_left_open() {
    let upstream = Upstream::echo();
    // Nothing may be bound by the process itself: port 1 of an address that is not here.
    let settings = and(
        clear(json!([public_route(HOST, json!(upstream.url()))])),
        json!({"address": "192.0.2.1:1", "metrics_address": "", "workers": 2}),
    );
    for (driver, count) in DRIVERS.into_iter().zip([2, 1]) {
        let mut supervisor = Supervisor::new();
        supervisor.environment.push(("VALLUM_DRIVER", driver.to_owned()));
        let (clients, metrics) = (bind(count), bind(1));
        let mut sockets: Vec<(&str, &dyn AsFd)> = vec![("metrics", &metrics[0])];
        sockets.extend(clients.iter().map(|socket| ("https", socket as &dyn AsFd)));
        let local = clients[0].local_addr().unwrap();

        let (mut first, address) = supervisor.start_ready(&sockets, &settings);
        assert_eq!(address, local);
        for _ in 0..16 {
            assert_eq!(Wire::clear(address).ask(get(HOST, "/", "")).status, 200, "{driver}");
        }
        let scraped = Wire::clear(metrics[0].local_addr().unwrap()).ask(get("m", "/metrics", "Connection: close\r\n"));
        assert!(scraped.text().contains("vallum_build_info"), "{scraped:?}");
        first.signal(Signal::TERM);
        assert!(first.wait(PATIENCE).success());

        // Nobody accepts; the client waits for the next life in the queue of the socket.
        let mut waiting = Wire::clear(local);
        waiting.send(get(HOST, "/", ""));
        let (mut second, _) = supervisor.start_ready(&sockets, &settings);
        assert_eq!(waiting.answer().status, 200, "{driver}");
        second.kill_with_children();
        let mut waiting = Wire::clear(local);
        waiting.send(get(HOST, "/", ""));
        let _third = supervisor.start_ready(&sockets, &settings);
        assert_eq!(waiting.answer().status, 200, "{driver}");
    }
}

#[test]
fn sockets_bound_by_the_process_are_kept_by_the_service_manager() {
    let upstream = Upstream::echo();
    let settings = clear(json!([public_route(HOST, json!(upstream.url()))]));
    let supervisor = Supervisor::new();
    let (mut first, address) = supervisor.start_ready(&[], &settings);
    let mut kept: Vec<(String, OwnedFd)> = Vec::new();
    for (name, count) in [("kept-https", 2), ("kept-metrics", 1), ("kept-health", 1)] {
        let stored = supervisor.wait_for("FDSTORE=1");
        assert_eq!((stored.value("FDNAME"), stored.descriptors.len()), (Some(name), count));
        kept.extend(stored.descriptors.into_iter().map(|descriptor| (name.to_owned(), descriptor)));
    }
    first.kill_with_children();

    let mut waiting = Wire::clear(address);
    waiting.send(get(HOST, "/", ""));
    let sockets: Vec<(&str, &dyn AsFd)> =
        kept.iter().map(|(name, socket)| (name.as_str(), socket as &dyn AsFd)).collect();
    let (mut second, again) = supervisor.start_ready(&sockets, &settings);
    assert_eq!((again, waiting.answer().status), (address, 200));
    second.signal(Signal::TERM);
    assert!(second.wait(PATIENCE).success());

    // The configuration has moved on: what was kept is of no use any more.
    let moved = and(settings, json!({"address": "127.0.0.2:0"}));
    let (_third, elsewhere) = supervisor.start_ready(&sockets, &moved);
    assert_eq!(elsewhere.ip().to_string(), "127.0.0.2");
    assert_eq!(supervisor.wait_for("FDSTOREREMOVE=1").value("FDNAME"), Some("kept-https"));
}

#[test]
fn what_is_no_listener_ends_the_start_and_a_strange_name_is_told() {
    let settings = clear(json!([]));
    let supervisor = Supervisor::new();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut process = supervisor.start(&[("https", &socket)], &settings);
    process.wait_for_line("the reason", |l| l.contains("it is not a listening TCP socket").then_some(()));
    assert_eq!(process.wait(PATIENCE).code(), Some(1));

    let sockets = bind(1);
    let (mut process, _) = supervisor.start_ready(&[("vallum-https.socket", &sockets[0])], &settings);
    process.wait_for_line("a warning", |l| {
        (l.contains("FileDescriptorName=") && l.contains("https, redirect, metrics, health, admin")).then_some(())
    });
}
