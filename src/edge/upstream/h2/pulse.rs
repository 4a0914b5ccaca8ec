//! Whether the endpoint at the other end of a connection still lives: one that is silent while it owes answers is asked
//! by a PING (RFC 9113 section 6.7), and given up when it does not say anything to that either.

use std::cell::Cell;

/// Between two PINGs, where nothing but signs of life came in between. Servers of gRPC take more than two that come
/// sooner for a flood, and end the connection (`too_many_pings`); an answer, or a part of one, makes them forget.
const QUIET_SPACING_MS: u64 = 300_000;

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Nothing,
    Ping,
    /// The PING is due for too long.
    GiveUp,
}

/// The signs of life of one connection. All times are milliseconds of the worker's clock.
#[derive(Debug, Default)]
pub struct Pulse {
    /// When anything was read last.
    heard_ms: Cell<u64>,
    /// When the last PING was sent; 0: never.
    asked_ms: Cell<u64>,
    /// Nothing was heard since that PING.
    is_due: Cell<bool>,
    /// A head, or a part of a body, came since that PING.
    was_answered: Cell<bool>,
}

impl Pulse {
    pub fn note_heard(&self, now_ms: u64) {
        self.heard_ms.set(now_ms);
        self.is_due.set(false);
    }

    pub fn note_answer(&self) {
        self.was_answered.set(true);
    }

    pub fn is_silent_since(&self, at_ms: u64) -> bool {
        self.heard_ms.get() < at_ms
    }

    /// To be asked while answers are owed. `patience_ms`: how long the endpoint may be silent before it is asked, and how
    /// long after that.
    pub fn look(&self, now_ms: u64, patience_ms: u64) -> Step {
        let since = |at: &Cell<u64>| now_ms.saturating_sub(at.get());
        if self.is_due.get() {
            return if since(&self.asked_ms) >= patience_ms { Step::GiveUp } else { Step::Nothing };
        }
        let may_ask = self.asked_ms.get() == 0 || self.was_answered.get() || since(&self.asked_ms) >= QUIET_SPACING_MS;
        if since(&self.heard_ms) < patience_ms || !may_ask {
            return Step::Nothing;
        }
        self.asked_ms.set(now_ms);
        self.is_due.set(true);
        self.was_answered.set(false);
        Step::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE_MS: u64 = 20_000;

    /// The steps of `times`.
    fn steps(pulse: &Pulse, times: &[u64]) -> Vec<Step> {
        times.iter().map(|now_ms| pulse.look(*now_ms, PATIENCE_MS)).collect()
    }

    #[test]
    fn who_is_silent_is_asked_once_and_then_given_up() {
        let pulse = Pulse::default();
        pulse.note_heard(1_000);
        let times = [1_000, 20_999, 21_000, 21_250, 40_999, 41_000];
        let expected = [Step::Nothing, Step::Nothing, Step::Ping, Step::Nothing, Step::Nothing, Step::GiveUp];
        assert_eq!(steps(&pulse, &times), expected);
    }

    #[test]
    fn any_sign_of_life_will_do() {
        let pulse = Pulse::default();
        pulse.note_heard(1_000);
        assert_eq!(steps(&pulse, &[21_000]), [Step::Ping]);
        pulse.note_heard(21_000);
        assert_eq!(steps(&pulse, &[41_000, 300_000]), [Step::Nothing, Step::Nothing], "gRPC would count it");
        assert_eq!(steps(&pulse, &[321_000, 341_000]), [Step::Ping, Step::GiveUp]);
    }

    #[test]
    fn who_answers_may_be_asked_again_soon() {
        let pulse = Pulse::default();
        pulse.note_heard(1_000);
        assert_eq!(steps(&pulse, &[21_000]), [Step::Ping]);
        pulse.note_heard(21_000);
        pulse.note_answer();
        pulse.note_heard(25_000);
        assert_eq!(steps(&pulse, &[44_999, 45_000]), [Step::Nothing, Step::Ping]);
    }

    #[test]
    fn patience_without_end_never_asks() {
        let pulse = Pulse::default();
        pulse.note_heard(1_000);
        assert_eq!(pulse.look(u64::MAX / 2, u64::MAX), Step::Nothing);
    }
}
