//! How much is logged, and what foreign code may add.

use std::str::FromStr;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;

/// A `log_level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    /// Nothing. `fatal` and `panic` mean this too: what ends the process goes to standard error.
    Off,
}

/// Text that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown log level {0:?}; expected trace, debug, info, warn, error, fatal or off")]
pub struct UnknownLevel(String);

impl FromStr for Level {
    type Err = UnknownLevel;

    /// Reads a level as Pomerium spells it, in any case.
    fn from_str(text: &str) -> Result<Level, UnknownLevel> {
        match text.to_ascii_lowercase().as_str() {
            "trace" => Ok(Level::Trace),
            "debug" => Ok(Level::Debug),
            "info" => Ok(Level::Info),
            "warn" | "warning" => Ok(Level::Warn),
            "error" => Ok(Level::Error),
            "fatal" | "panic" | "off" | "disabled" => Ok(Level::Off),
            _ => Err(UnknownLevel(text.chars().take(32).collect())),
        }
    }
}

impl Level {
    /// The filter for our own records.
    pub(super) fn filter(self) -> LevelFilter {
        match self {
            Level::Trace => LevelFilter::TRACE,
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
            Level::Off => LevelFilter::OFF,
        }
    }

    pub(super) fn from_index(index: u8) -> Level {
        [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Off]
            .into_iter()
            .find(|level| *level as u8 == index)
            .unwrap_or(Level::Info)
    }

    /// Whether a record passes. Libraries speak from WARN up (at `trace`: from DEBUG up), since their chatter repeats
    /// what clients send.
    pub(super) fn admits(self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.limit_of(metadata.target())
    }

    fn limit_of(self, target: &str) -> LevelFilter {
        let own = target.strip_prefix("vallum").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        match (own, self) {
            // Lines about requests have a switch of their own (`proxy_log_level`), which was asked before.
            (true, _) if target == super::REQUESTS_TARGET => self.filter().max(LevelFilter::INFO),
            (true, _) => self.filter(),
            (false, Level::Trace) => LevelFilter::DEBUG,
            (false, _) => self.filter().min(LevelFilter::WARN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_as_pomerium_does() {
        for (text, level) in [
            ("trace", Level::Trace),
            ("DEBUG", Level::Debug),
            ("info", Level::Info),
            ("warn", Level::Warn),
            ("warning", Level::Warn),
            ("Error", Level::Error),
            ("fatal", Level::Off),
            ("panic", Level::Off),
            ("off", Level::Off),
        ] {
            assert_eq!(text.parse(), Ok(level), "{text}");
            assert_eq!(Level::from_index(level as u8), level);
        }
        for bad in ["", "verbose", "info ", "1"] {
            assert!(bad.parse::<Level>().unwrap_err().to_string().contains("expected trace"), "{bad}");
        }
        assert!("x".repeat(9000).parse::<Level>().unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn libraries_are_quieter() {
        assert_eq!(Level::Info.limit_of("vallum"), LevelFilter::INFO);
        assert_eq!(Level::Debug.limit_of("vallum::edge"), LevelFilter::DEBUG);
        assert_eq!(Level::Debug.limit_of("vallumx"), LevelFilter::WARN);
        assert_eq!(Level::Debug.limit_of("hyper::proto"), LevelFilter::WARN);
        assert_eq!(Level::Error.limit_of("hyper::proto"), LevelFilter::ERROR);
        assert_eq!(Level::Trace.limit_of("hyper::proto"), LevelFilter::DEBUG);
        assert_eq!(Level::Off.limit_of("hyper::proto"), LevelFilter::OFF);
    }
}
