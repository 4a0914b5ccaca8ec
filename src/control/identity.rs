//! Stub.
use crate::link::ControlDoor;

pub fn spawn(door: ControlDoor) {
    tokio::spawn(super::sessions::serve(door.desk, super::databroker::Databroker::memory(Default::default())));
}
