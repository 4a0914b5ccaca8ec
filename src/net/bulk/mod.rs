//! Sockets that are served in bulk: once in each lap of the worker's loop, what is to be sent on all of them is sent, and
//! what has arrived at any of them is taken up.
//!
//! A read of its own in the ring, begun before anything is there, costs three visits to the kernel's socket (in vain, to
//! wait, to read) and a buffer that lies idle meanwhile; a write costs its task a second turn, to hear of its end. Here
//! a socket is registered once, for all its life; a buffer is taken when there is something to put into it, the one that
//! was used last and is still in the processor's cache; and the same kernel code runs many times in a row.

mod slot;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::task::{Poll, Waker};

use monoio::net::UnixStream;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventFlags};

use slot::Slot;

/// Most sockets heard of at once; the others are next.
const HEARD_MAX: usize = 256;

/// The sockets of one worker that are served in bulk.
pub struct Bulk {
    /// The set of the sockets, and no socket itself: the runtime waits only for what it knows as a stream.
    set: UnixStream,
    table: RefCell<Table>,
}

#[derive(Default)]
struct Table {
    /// As many as were ever in use at the same time.
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Kept for its room.
    events: Vec<epoll::Event>,
    /// Who has something to send.
    leaving: Vec<Place>,
    /// Waits for somebody who has something to send.
    sender: Option<Waker>,
}

/// Where a socket is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    index: u32,
    /// How many sockets had this slot before: what was meant for them is not for this one.
    generation: u32,
}

/// One socket that is served in bulk, until dropped.
pub struct Member {
    bulk: Rc<Bulk>,
    place: Place,
}

impl Place {
    fn data(self) -> epoll::EventData {
        epoll::EventData::new_u64(u64::from(self.generation) << 32 | u64::from(self.index))
    }

    fn of(data: epoll::EventData) -> Self {
        let data = data.u64();
        Place { index: data as u32, generation: (data >> 32) as u32 }
    }
}

impl Bulk {
    /// To be called on the worker.
    pub fn new() -> io::Result<Rc<Self>> {
        let set = StdUnixStream::from(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        Ok(Rc::new(Bulk { set: UnixStream::from_std(set)?, table: RefCell::default() }))
    }

    /// Waits until something has arrived; to be followed by [`Bulk::receive`].
    pub async fn arrivals(&self) -> io::Result<()> {
        self.set.readable(false).await
    }

    /// Reads what has arrived, as far as it is wanted, into buffers from `lend`, and wakes who waits for it. Goes on with
    /// what could not be sent before; its room is given to `give`.
    pub fn receive(&self, mut lend: impl FnMut() -> Vec<u8>, mut give: impl FnMut(Vec<u8>)) {
        let Table { slots, events, .. } = &mut *self.table.borrow_mut();
        events.clear();
        events.reserve(HEARD_MAX);
        // It fails only when interrupted: then what there is to hear is heard in the next lap.
        let _ = epoll::wait(self.set_fd(), spare_capacity(events), Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        for event in &*events {
            let (data, flags) = (event.data, event.flags);
            let Some(slot) = slot_at(slots, Place::of(data)) else { continue };
            if slot.is_stuck && flags.intersects(EventFlags::OUT | EventFlags::ERR | EventFlags::HUP) {
                slot.send(&mut give);
            }
            if flags != EventFlags::OUT {
                slot.is_readable = true;
                slot.is_ended |= flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
                slot.take_up(&mut lend);
            }
        }
    }

    /// Waits until somebody has something to send; to be followed by [`Bulk::send`].
    pub async fn departures(&self) {
        poll_fn(|context| {
            let mut table = self.table.borrow_mut();
            match table.leaving.is_empty() {
                false => Poll::Ready(()),
                true => {
                    let before = table.sender.replace(context.waker().clone());
                    drop(table);
                    drop(before);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Sends what is to be sent; the room is given to `give`.
    pub fn send(&self, mut give: impl FnMut(Vec<u8>)) {
        let Table { slots, leaving, .. } = &mut *self.table.borrow_mut();
        for place in leaving.drain(..) {
            if let Some(slot) = slot_at(slots, place) {
                slot.send(&mut give);
            }
        }
    }

    /// Serves the socket `fd`, which must stay open as long as the member lives.
    pub(super) fn join(self: &Rc<Self>, fd: BorrowedFd<'_>) -> io::Result<Member> {
        let Table { slots, free, .. } = &mut *self.table.borrow_mut();
        let index = free.last().copied().unwrap_or(slots.len() as u32);
        let generation = slots.get(index as usize).map_or(0, |slot| slot.generation);
        let place = Place { index, generation };
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(self.set_fd(), fd, place.data(), flags)?;
        let slot = Slot { fd: fd.as_raw_fd(), generation, ..Slot::default() };
        match free.pop() {
            Some(index) => slots[index as usize] = slot,
            None => slots.push(slot),
        }
        Ok(Member { bulk: self.clone(), place })
    }

    fn set_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: `set` keeps the descriptor open as long as `self` lives.
        unsafe { BorrowedFd::borrow_raw(self.set.as_raw_fd()) }
    }
}

/// The slot at `place`, unless another socket has it now.
fn slot_at(slots: &mut [Slot], place: Place) -> Option<&mut Slot> {
    slots.get_mut(place.index as usize).filter(|slot| slot.generation == place.generation)
}

impl Member {
    /// Begins a read of at most `room` bytes, whose outcome the next [`Member::read`] takes.
    pub(super) fn want(&self, room: usize) {
        self.with(|slot| {
            if slot.outcome.is_none() {
                slot.wanted = room;
                slot.take_up(Vec::new);
            }
        });
    }

    /// Whether nothing has arrived that was not read, and nothing is left to be sent.
    pub(super) fn is_quiet(&self) -> bool {
        self.with(|slot| slot.outcome.is_none() && !slot.is_readable && slot.outgoing.is_empty())
    }

    /// Reads once, appending at most `room` bytes, or what a read that was begun before brought, to `buffer`. May be
    /// dropped: nothing is lost.
    pub(super) async fn read(&self, buffer: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        poll_fn(|context| {
            let mut table = self.bulk.table.borrow_mut();
            let slot = &mut table.slots[self.place.index as usize];
            if let Some(result) = slot.read(buffer, room) {
                return Poll::Ready(result);
            }
            if !slot.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                let before = slot.waker.replace(context.waker().clone());
                // With the last waker goes its task, and with that perhaps another member.
                drop(table);
                drop(before);
            }
            Poll::Pending
        })
        .await
    }

    /// Has `bytes` sent at the end of the lap. Not to be called while [`Member::is_sending`].
    pub(super) fn post(&self, bytes: Vec<u8>) {
        let table = &mut *self.bulk.table.borrow_mut();
        table.slots[self.place.index as usize].outgoing = bytes;
        table.leaving.push(self.place);
        if let Some(sender) = table.sender.take() {
            sender.wake();
        }
    }

    /// Whether something that was posted is not sent to its end.
    pub(super) fn is_sending(&self) -> bool {
        self.with(|slot| !slot.outgoing.is_empty())
    }

    /// Takes back what was posted and is not sent, to be sent in another way.
    pub(super) fn take_back(&self) -> Vec<u8> {
        self.with(|slot| {
            let mut bytes = std::mem::take(&mut slot.outgoing);
            bytes.drain(..std::mem::take(&mut slot.sent));
            slot.is_stuck = false;
            bytes
        })
    }

    /// Whether something that was posted cannot be sent now. Who waits for what arrives is woken when that changes.
    pub(super) fn is_stuck(&self) -> bool {
        self.with(|slot| slot.is_stuck)
    }

    fn with<T>(&self, what: impl FnOnce(&mut Slot) -> T) -> T {
        what(&mut self.bulk.table.borrow_mut().slots[self.place.index as usize])
    }
}

impl Drop for Member {
    /// The kernel forgets the socket when it is closed.
    fn drop(&mut self) {
        let mut table = self.bulk.table.borrow_mut();
        let fresh = Slot { generation: self.place.generation.wrapping_add(1), ..Slot::default() };
        let left = std::mem::replace(&mut table.slots[self.place.index as usize], fresh);
        table.free.push(self.place.index);
        // As above: with a waker others may go.
        drop(table);
        drop(left);
    }
}
