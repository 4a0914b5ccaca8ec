//! Go's duration texts: `1h15m30s500ms`, `1.5s`, `0`.

use std::time::Duration;

/// Longest duration that Go can hold, in nanoseconds (292 years).
const NANOS_MAX: u128 = i64::MAX as u128;

/// Why a text is no duration; the texts are Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DurationError {
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    #[error("time: missing unit in duration {0:?}")]
    Unit(String),
    #[error("time: unknown unit {1:?} in duration {0:?}")]
    UnknownUnit(String, String),
    #[error("the duration {0:?} is negative")]
    Negative(String),
}

/// Reads a duration as Go's `time.ParseDuration` does, but refuses negative ones.
pub(super) fn parse(text: &str) -> Result<Duration, DurationError> {
    let whole = text.trim();
    let invalid = || DurationError::Invalid(whole.to_owned());
    let (negative, mut rest) = match whole.as_bytes().first() {
        Some(b'-') => (true, &whole[1..]),
        Some(b'+') => (false, &whole[1..]),
        _ => (false, whole),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (nanos, after) = step(whole, rest)?;
        total = total.checked_add(nanos).filter(|t| *t <= NANOS_MAX).ok_or_else(invalid)?;
        rest = after;
    }
    if negative && total > 0 {
        return Err(DurationError::Negative(whole.to_owned()));
    }
    Ok(Duration::from_nanos(total as u64))
}

/// One number and its unit: its nanoseconds and what follows.
fn step<'a>(whole: &str, text: &'a str) -> Result<(u128, &'a str), DurationError> {
    let invalid = || DurationError::Invalid(whole.to_owned());
    let (digits, rest) = split_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if digits.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    if unit.is_empty() {
        return Err(DurationError::Unit(whole.to_owned()));
    }
    let scale = nanos(unit).ok_or_else(|| DurationError::UnknownUnit(whole.to_owned(), unit.to_owned()))?;
    let number: u128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| invalid())? };
    let mut sum = number.checked_mul(scale).ok_or_else(invalid)?;
    let mut place = scale;
    for digit in fraction.bytes() {
        place /= 10;
        sum += u128::from(digit - b'0') * place;
    }
    Ok((sum, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("+0", 0),
            ("-0", 0),
            ("30s", 30_000),
            ("1h15m30s500ms", 4_530_500),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1.s", 1_000),
            ("14h", 50_400_000),
            (" 5m ", 300_000),
            ("+2ms", 2),
            ("1000us", 1),
            ("1000µs", 1),
            ("1000000ns", 1),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_named() {
        for (text, error) in [
            ("", "time: invalid duration \"\""),
            ("s", "time: invalid duration \"s\""),
            ("1h-5m", "time: unknown unit \"h-\" in duration \"1h-5m\""),
            (".", "time: invalid duration \".\""),
            ("30", "time: missing unit in duration \"30\""),
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            ("9999999999h", "time: invalid duration \"9999999999h\""),
            (
                "999999999999999999999999999999999999999999s",
                "time: invalid duration \"999999999999999999999999999999999999999999s\"",
            ),
            ("-5s", "the duration \"-5s\" is negative"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), error, "{text}");
        }
    }
}
