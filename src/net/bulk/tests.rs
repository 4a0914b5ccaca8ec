use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::*;
use crate::net::driver::{self, Driver};
use crate::net::tcp::{Control, ReadHalf, Stream, WriteHalf};
use crate::net::timer;

/// More than the system keeps for a connection.
const MANY: usize = 8 * 1024 * 1024;

/// One end served in bulk, the other in the hands of the test.
struct Pair {
    bulk: Rc<Bulk>,
    reader: ReadHalf,
    writer: WriteHalf,
    control: Control,
    peer: TcpStream,
}

/// Runs `test` on each driver, with the tasks of a worker beside it.
fn on_each_driver<F: Future<Output = ()>>(test: impl Fn(Rc<Bulk>) -> F) {
    for driver in [driver::probe().0, Driver::Epoll] {
        driver::block_on(driver, async {
            let bulk = Bulk::new().unwrap();
            let (receiving, sending) = (bulk.clone(), bulk.clone());
            crate::net::spawn(async move {
                while receiving.arrivals().await.is_ok() {
                    receiving.receive(|| Vec::with_capacity(64), drop);
                }
            });
            crate::net::spawn(async move {
                loop {
                    sending.departures().await;
                    sending.send(drop);
                }
            });
            timer::timeout(Duration::from_secs(20), test(bulk)).await.unwrap();
        })
        .unwrap();
    }
}

async fn pair(bulk: &Rc<Bulk>) -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (peer, _) = listener.accept().unwrap();
    let (mut reader, mut writer, control) = stream.split();
    reader.join(bulk, &mut writer).unwrap();
    reader.begin(16);
    Pair { bulk: bulk.clone(), reader, writer, control, peer }
}

/// Reads exactly `count` bytes.
async fn read(reader: &mut ReadHalf, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let room = count - bytes.len();
        assert!(reader.read(&mut bytes, room).await.unwrap() > 0, "ended after {} of {count}", bytes.len());
    }
    bytes
}

/// Until the news of the system have come.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        timer::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn what_arrives_is_read_before_and_after_somebody_waits_for_it() {
    on_each_driver(|bulk| async move {
        let mut pair = pair(&bulk).await;
        assert!(pair.reader.is_quiet());
        pair.peer.write_all(b"before").unwrap();
        until(|| !pair.reader.is_quiet()).await;
        let mut bytes = b"kept ".to_vec();
        assert_eq!(pair.reader.read(&mut bytes, 1).await.unwrap(), 6, "a read that was begun offers its own room");
        assert_eq!(bytes, b"kept before");
        pair.reader.begin(16);
        assert!(pair.reader.is_quiet());
        let mut peer = pair.peer.try_clone().unwrap();
        crate::net::spawn(async move {
            timer::sleep(Duration::from_millis(5)).await;
            peer.write_all(b"after, and more than the room").unwrap();
        });
        assert_eq!(read(&mut pair.reader, 29).await, b"after, and more than the room");
        pair.reader.begin(16);
        assert!(pair.reader.is_quiet(), "though the last read filled its room");
    });
}

/// An end that came together with the last bytes is heard only once.
#[test]
fn the_end_is_read_behind_all_that_came_before_it() {
    on_each_driver(|bulk| async move {
        let mut pair = pair(&bulk).await;
        pair.peer.write_all(&[7; 100]).unwrap();
        pair.peer.shutdown(std::net::Shutdown::Write).unwrap();
        timer::sleep(Duration::from_millis(20)).await;
        assert_eq!(read(&mut pair.reader, 100).await, [7; 100]);
        for _ in 0..3 {
            assert_eq!(pair.reader.read(&mut Vec::new(), 16).await.unwrap(), 0);
            pair.reader.begin(16);
            assert!(!pair.reader.is_quiet());
        }
    });
}

#[test]
fn who_is_at_rest_learns_that_the_peer_is_gone() {
    on_each_driver(|bulk| async move {
        let mut ended = pair(&bulk).await;
        drop(ended.peer);
        until(|| !ended.reader.is_quiet()).await;
        assert_eq!(ended.reader.read(&mut Vec::new(), 16).await.unwrap(), 0);
        let mut broken = pair(&bulk).await;
        socket2::SockRef::from(&broken.peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(broken.peer);
        until(|| !broken.reader.is_quiet()).await;
        assert_eq!(broken.reader.read(&mut Vec::new(), 16).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let mut shut = pair(&bulk).await;
        let control = shut.control.clone();
        crate::net::spawn(async move {
            timer::sleep(Duration::from_millis(5)).await;
            control.shutdown();
        });
        assert_eq!(shut.reader.read(&mut Vec::new(), 16).await.unwrap(), 0, "from elsewhere on the worker");
    });
}

#[test]
fn a_read_that_is_dropped_loses_nothing() {
    on_each_driver(|bulk| async move {
        let mut pair = pair(&bulk).await;
        for _ in 0..3 {
            let waited = timer::timeout(Duration::from_millis(3), pair.reader.read(&mut Vec::new(), 16)).await;
            assert!(waited.is_err());
        }
        pair.peer.write_all(b"all of it").unwrap();
        timer::sleep(Duration::from_millis(20)).await;
        assert_eq!(read(&mut pair.reader, 9).await, b"all of it");
    });
}

/// A slot has many sockets in turn, and what was meant for one never reaches another.
#[test]
fn who_takes_the_place_of_another_hears_nothing_of_it() {
    on_each_driver(|bulk| async move {
        for turn in 0..20 {
            let mut left = pair(&bulk).await;
            left.peer.write_all(b"for one who is gone").unwrap();
            let mut peer = left.peer.try_clone().unwrap();
            assert!(left.writer.post(&mut b"from one who is gone".to_vec()));
            drop((left.reader, left.writer, left.control));
            let mut next = pair(&bulk).await;
            assert_eq!(next.bulk.table.borrow().slots.len(), 1, "the slot is used again");
            timer::sleep(Duration::from_millis(1)).await;
            assert!(next.reader.is_quiet(), "turn {turn}");
            next.peer.write_all(b"mine").unwrap();
            assert_eq!(read(&mut next.reader, 4).await, b"mine");
            peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            match peer.read(&mut [0]) {
                Ok(count) => assert_eq!(count, 0, "something was sent"),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            }
        }
    });
}

fn many_bytes() -> Vec<u8> {
    let piece: Vec<u8> = (0..64 * 1024u32).map(|at| (at / 7) as u8).collect();
    piece.repeat(MANY / piece.len())
}

#[test]
fn what_the_peer_does_not_take_at_once_is_sent_when_it_does() {
    on_each_driver(|bulk| async move {
        let mut pair = pair(&bulk).await;
        assert!(pair.writer.post(&mut many_bytes()));
        assert!(!pair.writer.is_stuck(), "not sent before the end of the lap");
        // Who waits for what arrives is woken when it is stuck, and when it is not any more.
        let (writer, mut nothing) = (&pair.writer, Vec::new());
        let mut reading = std::pin::pin!(pair.reader.read(&mut nothing, 16));
        poll_fn(|context| {
            assert!(reading.as_mut().poll(context).is_pending());
            if writer.is_stuck() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert!(!writer.post(&mut b"too much".to_vec()), "one at a time");
        let mut peer = pair.peer.try_clone().unwrap();
        let taken = std::thread::spawn(move || {
            let mut taken = vec![0; MANY];
            peer.read_exact(&mut taken).unwrap();
            taken
        });
        poll_fn(|context| {
            assert!(reading.as_mut().poll(context).is_pending());
            if writer.is_stuck() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        assert!(taken.join().unwrap() == many_bytes());
        assert!(writer.post(&mut b"next".to_vec()));
        let mut next = [0; 4];
        crate::net::give_way().await;
        pair.peer.read_exact(&mut next).unwrap();
        assert_eq!(&next, b"next");
    });
}

#[test]
fn what_was_posted_goes_before_what_is_written() {
    on_each_driver(|bulk| async move {
        for waits in [false, true] {
            let mut pair = pair(&bulk).await;
            assert!(pair.writer.post(&mut many_bytes()));
            if waits {
                until(|| pair.writer.is_stuck()).await;
            }
            let mut peer = pair.peer.try_clone().unwrap();
            let taken = std::thread::spawn(move || {
                let mut taken = Vec::new();
                peer.read_to_end(&mut taken).unwrap();
                taken
            });
            let (result, _) = pair.writer.write_all(b"behind it".to_vec(), 9).await;
            result.unwrap();
            pair.control.shutdown_write();
            assert!(taken.join().unwrap() == [many_bytes(), b"behind it".to_vec()].concat(), "{waits}");
        }
    });
}

#[test]
fn what_is_posted_to_a_peer_that_is_gone_is_given_back() {
    on_each_driver(|bulk| async move {
        let mut pair = pair(&bulk).await;
        assert!(pair.writer.post(&mut many_bytes()));
        until(|| pair.writer.is_stuck()).await;
        socket2::SockRef::from(&pair.peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(pair.peer);
        // Whoever is first learns how it broke: here it is who sends, to whom it does not matter.
        assert!(pair.reader.read(&mut Vec::new(), 16).await.is_ok_and(|count| count == 0));
        until(|| !pair.writer.is_stuck()).await;
        assert!(bulk.table.borrow().slots.iter().all(|slot| slot.outgoing.is_empty()));
    });
}
