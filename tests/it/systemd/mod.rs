//! Under a service manager: sockets that it hands over, what it is told, what it keeps, and the units that we ship.

mod lives;
mod messages;
mod sandbox;
mod supervisor;
mod units;
