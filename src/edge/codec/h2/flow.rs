//! Flow control (RFC 9113 section 5.2): what the client may send us, and what we may send it.

/// What both windows of a connection, and those of its streams, start with.
pub const INITIAL_WINDOW: u32 = 65_535;
/// Largest window.
pub const WINDOW_MAX: i64 = 0x7fff_ffff;

/// What a client may still send.
#[derive(Debug, Clone, Copy)]
pub struct Inbound {
    left: i64,
    /// Consumed, and not given back yet.
    owed: u32,
    /// The window when all of it is given back.
    full: u32,
}

impl Inbound {
    pub fn new(full: u32) -> Self {
        Inbound { left: i64::from(full), owed: 0, full }
    }

    /// Counts `length` bytes that came; false when they were more than allowed.
    #[must_use]
    pub fn receive(&mut self, length: usize) -> bool {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        if length > self.left {
            return false;
        }
        self.left -= length;
        true
    }

    /// Counts bytes as consumed. They are given back by [`Inbound::refund`].
    pub fn consume(&mut self, length: usize) {
        self.owed = self.owed.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// The increment that is worth a WINDOW_UPDATE by now: at least half of the window.
    pub fn refund(&mut self) -> Option<u32> {
        if self.owed == 0 || self.owed < self.full / 2 {
            return None;
        }
        self.left += i64::from(self.owed);
        Some(std::mem::take(&mut self.owed))
    }

    /// Takes `less` off a window that was larger while the client did not know our setting.
    pub fn shrink(&mut self, less: u32) {
        self.left -= i64::from(less);
        self.full = self.full.saturating_sub(less);
    }
}

/// What we may still send. May be negative after the client made its initial window smaller.
#[derive(Debug, Clone, Copy)]
pub struct Outbound(i64);

impl Outbound {
    pub fn new(window: u32) -> Self {
        Outbound(i64::from(window))
    }

    pub fn left(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    pub fn send(&mut self, length: usize) {
        debug_assert!(length <= self.left());
        self.0 -= length as i64;
    }

    /// Moves the window; false when it would become larger than a window may be.
    #[must_use]
    pub fn move_by(&mut self, by: i64) -> bool {
        let moved = self.0 + by;
        if moved > WINDOW_MAX {
            return false;
        }
        self.0 = moved;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_comes_back_when_half_is_used() {
        let mut window = Inbound::new(100);
        assert!(window.receive(100) && !window.receive(1) && window.receive(0));
        window.consume(49);
        assert_eq!(window.refund(), None);
        window.consume(1);
        assert_eq!((window.refund(), window.refund()), (Some(50), None));
        assert!(window.receive(50) && !window.receive(1));
    }

    #[test]
    fn windows_may_be_negative_but_not_too_large() {
        let mut window = Outbound::new(10);
        window.send(10);
        assert!(window.move_by(-5) && window.left() == 0);
        assert!(window.move_by(6) && window.left() == 1);
        assert!(window.move_by(WINDOW_MAX - 1) && !window.move_by(1));
        assert_eq!(window.left() as i64, WINDOW_MAX);
    }
}
