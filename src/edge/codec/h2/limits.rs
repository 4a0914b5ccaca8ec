//! What one connection may ask of us: sizes that are announced or enforced, and meters for the frames that cost us more
//! than the client. A meter that runs dry ends the connection with ENHANCE_YOUR_CALM.

use super::error::ConnectionError;
use crate::http::head::{FIELDS_MAX, HEAD_BYTES_MAX};

/// Streams that a client may have open at once (Envoy's advice for edges).
pub const STREAMS_MAX: u32 = 100;
/// Streams that are over for the client, but not yet for us, on top of those.
pub const STREAMS_ENDING_MAX: u32 = 100;
/// Heads of all requests that are not done yet, from which on no more are taken. A table entry that is referred to again and
/// again makes large heads of a few bytes.
pub const HEADS_BYTES_MAX: usize = 1024 * 1024;
/// Body bytes of one stream that a client may send ahead.
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Body bytes of all streams that a client may send ahead.
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Output from which on no more body bytes are taken.
pub const OUTPUT_BYTES_HIGH: usize = 64 * 1024;
/// Output from which on no more requests are taken: somebody asks and asks, and does not read the answers.
pub const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Answers to control frames (acknowledgements, resets, window updates) that may wait for a client that does not read.
pub const CONTROL_BYTES_MAX: usize = 16 * 1024;
/// A header block as sent, with all its CONTINUATION frames.
pub const BLOCK_BYTES_MAX: usize = 256 * 1024;
/// CONTINUATION frames of one header block.
pub const CONTINUATIONS_MAX: u32 = 64;
/// Closed streams whose end is remembered, to tell late frames from wrong ones.
pub const CLOSED_REMEMBERED: usize = 128;

/// The bounds of a connection that its owner chooses.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    pub streams: u32,
    /// SETTINGS_INITIAL_WINDOW_SIZE, up to 2^31-1.
    pub stream_window: u32,
    /// Window of the connection; never less than the 65,535 bytes it starts with.
    pub connection_window: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE.
    pub header_list_bytes: usize,
    pub fields: usize,
    /// Output from which on no more body bytes are taken.
    pub output_high: usize,
    /// Whether extended CONNECT (RFC 8441) is offered.
    pub extended_connect: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            streams: STREAMS_MAX,
            stream_window: STREAM_WINDOW_BYTES,
            connection_window: CONNECTION_WINDOW_BYTES,
            header_list_bytes: HEAD_BYTES_MAX,
            // The pseudo-headers come on top.
            fields: FIELDS_MAX + 5,
            output_high: OUTPUT_BYTES_HIGH,
            extended_connect: true,
        }
    }
}

/// What is metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abuse {
    /// Requests that the client takes back before they are answered ("rapid reset").
    Reset,
    /// Streams that we reset because the client broke a rule ("made you reset").
    Violation,
    /// Requests above the number of streams.
    Refused,
    /// DATA, HEADERS and CONTINUATION that carry nothing.
    Empty,
    Settings,
    Ping,
    Priority,
    WindowUpdate,
    /// Frames for streams that are over.
    Stale,
    /// Frames of kinds that we do not know.
    Unknown,
}

/// A meter: how much may come at once, and how much more per second.
struct Rate {
    burst: u32,
    per_second: u32,
    cause: &'static str,
}

const KINDS: usize = 10;

/// By [`Abuse`].
const RATES: [Rate; KINDS] = [
    Rate { burst: 200, per_second: 20, cause: "reset_flood" },
    Rate { burst: 100, per_second: 10, cause: "violation_flood" },
    Rate { burst: 500, per_second: 50, cause: "refused_stream_flood" },
    Rate { burst: 100, per_second: 10, cause: "empty_frame_flood" },
    Rate { burst: 100, per_second: 5, cause: "settings_flood" },
    Rate { burst: 500, per_second: 50, cause: "ping_flood" },
    Rate { burst: 500, per_second: 50, cause: "priority_flood" },
    Rate { burst: 800, per_second: 100, cause: "window_update_flood" },
    Rate { burst: 900, per_second: 100, cause: "stale_frame_flood" },
    Rate { burst: 500, per_second: 50, cause: "unknown_frame_flood" },
];

#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    spent: u32,
    /// When `spent` was last reduced, in milliseconds of the caller's clock.
    at_ms: u64,
}

/// The meters of one connection.
#[derive(Debug, Default)]
pub struct Meters {
    meters: [Meter; KINDS],
    pub now_ms: u64,
}

impl Meters {
    /// Counts one event.
    pub fn spend(&mut self, abuse: Abuse) -> Result<(), ConnectionError> {
        let rate = &RATES[abuse as usize];
        let meter = &mut self.meters[abuse as usize];
        let elapsed_ms = self.now_ms.saturating_sub(meter.at_ms);
        let regained = elapsed_ms.saturating_mul(u64::from(rate.per_second)) / 1000;
        if regained > 0 {
            meter.spent = meter.spent.saturating_sub(u32::try_from(regained).unwrap_or(u32::MAX));
            meter.at_ms = self.now_ms;
        }
        if meter.spent >= rate.burst {
            return Err(ConnectionError::calm(rate.cause));
        }
        meter.spent += 1;
        Ok(())
    }

    /// Gives `count` events back: the client had a reason for them.
    pub fn earn(&mut self, abuse: Abuse, count: u32) {
        let meter = &mut self.meters[abuse as usize];
        meter.spent = meter.spent.saturating_sub(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_end_and_time_gives_back() {
        let mut meters = Meters::default();
        let spend = |meters: &mut Meters| (0..2000).take_while(|_| meters.spend(Abuse::Reset).is_ok()).count();
        meters.now_ms = 5;
        assert_eq!(spend(&mut meters), 200);
        assert_eq!(meters.spend(Abuse::Reset).unwrap_err().cause, "reset_flood");
        assert!(meters.spend(Abuse::Ping).is_ok());
        meters.now_ms += 1000;
        assert_eq!(spend(&mut meters), 20);
        meters.now_ms += 49;
        assert_eq!(spend(&mut meters), 0);
        meters.now_ms += 1_000_000_000;
        assert_eq!(spend(&mut meters), 200);
        meters.earn(Abuse::Reset, 3);
        assert_eq!(spend(&mut meters), 3);
        meters.now_ms = 0;
        assert_eq!(spend(&mut meters), 0);
    }

    #[test]
    fn no_burst_is_above_a_thousand() {
        assert!(RATES.iter().all(|rate| rate.burst <= 1000 && rate.per_second <= 100));
        assert_eq!(Abuse::Unknown as usize + 1, KINDS);
    }
}
