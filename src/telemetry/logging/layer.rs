//! From tracing's events to lines in the queue.

use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::Format;
use super::level::Level;
use super::line::{self, Fields, LINE_BYTES_MAX};

/// Most bytes that one span adds to each of its lines.
const SPAN_BYTES_MAX: usize = 2048;

/// The level of the process: read when call sites register, not per event.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

thread_local! {
    /// The line being written on this thread; its capacity is kept.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Changes how much is logged, for all threads, from now on.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// Writes every event as one line.
pub(super) struct Lines {
    format: Format,
    writer: NonBlocking,
    level: &'static AtomicU8,
}

/// A span's fields, already written in the line's format.
struct SpanFields(Vec<u8>);

impl Lines {
    /// Follows the process's level ([`set_level`]).
    pub(super) fn new(format: Format, writer: NonBlocking) -> Self {
        Lines { format, writer, level: &LEVEL }
    }

    /// Has a level of its own.
    #[cfg(test)]
    pub(super) fn with_level(format: Format, writer: NonBlocking, level: Level) -> Self {
        Lines { format, writer, level: Box::leak(Box::new(AtomicU8::new(level as u8))) }
    }

    fn level(&self) -> Level {
        Level::from_index(self.level.load(Ordering::Relaxed))
    }

    fn write<S>(&self, out: &mut Vec<u8>, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        out.clear();
        line::begin(self.format, out, *event.metadata().level(), SystemTime::now());
        let mut fields = line::fields(self.format, out);
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(SpanFields(written)) = span.extensions().get() {
                fields.append(written);
            }
        }
        let omitted = fields.omitted();
        line::finish(self.format, out, omitted);
        debug_assert!(out.len() <= LINE_BYTES_MAX);
        // A full queue drops the line and counts it; there is no other failure.
        let _ = self.writer.clone().write_all(out);
    }
}

impl<S> Layer<S> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.level().admits(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.level().admits(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level().filter())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut written = Vec::new();
        attributes.record(&mut Fields::new(self.format, &mut written, SPAN_BYTES_MAX));
        span.extensions_mut().insert(SpanFields(written));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(SpanFields(written)) = span.extensions_mut().get_mut() {
            values.record(&mut Fields::new(self.format, written, SPAN_BYTES_MAX));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        LINE.with(|line| match line.try_borrow_mut() {
            Ok(mut line) => self.write(&mut line, event, &context),
            // A value that logs while it is being written gets a line of its own.
            Err(_) => self.write(&mut Vec::new(), event, &context),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{List, VALUE_BYTES_MAX, captured};
    use super::*;
    use serde_json::{Value, json};

    fn json_lines(action: impl FnOnce()) -> Vec<Value> {
        captured(Format::Json, Level::Info, action).iter().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn keys_and_values_as_pomerium_writes_them() {
        let lines = json_lines(|| {
            let error = Outer(std::io::Error::other("inner"));
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(
                config_file = "c.yaml",
                "route-id" = 7u64,
                ok = true,
                "ratio" = 0.5,
                delta = -3,
                error,
                "said {}",
                1
            );
        });
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let time = line["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000Z".len(), "{time}");
        assert_eq!(line.as_object().unwrap().keys().take(3).collect::<Vec<_>>(), ["level", "time", "message"]);
        assert_eq!(
            *line,
            json!({ "level": "warn", "time": time, "message": "said 1", "config-file": "c.yaml", "route-id": 7,
                    "ok": true, "ratio": 0.5, "delta": -3, "error": "outer: inner" })
        );
    }

    #[test]
    fn lists_are_arrays() {
        let lines = json_lines(|| {
            tracing::info!("why[]" = %List(&["a-b", "c\"d"]), "none[]" = %List(&[]), "one[]" = %List(&["x"]), "m");
        });
        assert_eq!(lines[0]["why"], json!(["a-b", "c\"d"]));
        assert_eq!(lines[0]["none"], json!([]));
        assert_eq!(lines[0]["one"], json!(["x"]));
    }

    #[test]
    fn hostile_values_stay_inside_their_line() {
        let nasty = "x\r\n{\"level\":\"error\"}\u{1b}[2J\u{2028}\"";
        let lines = json_lines(|| {
            tracing::info!(level = nasty, time = nasty, debug = ?nasty, infinite = f64::INFINITY, "{nasty}");
        });
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(line["level"], "info");
        assert_eq!(line["field-level"], nasty);
        assert_eq!(line["field-time"], nasty);
        assert_eq!(line["message"], nasty);
        assert_eq!(line["infinite"], "inf");
    }

    #[test]
    fn long_values_are_cut_and_lines_are_bounded() {
        let long = "\u{1}".repeat(100_000);
        for format in [Format::Json, Format::Text] {
            let lines = captured(format, Level::Info, || {
                tracing::info!(a = long, b = long, c = long, d = long, e = %long, f = ?long, last = 1, "{long}");
            });
            let [line] = &lines[..] else { panic!("{} lines", lines.len()) };
            assert!(line.len() < LINE_BYTES_MAX, "{}", line.len());
            assert!(line.contains("…[cut]") && line.contains("log-fields-omitted"), "{}", &line[..100]);
            assert!(line.contains("last"), "a short field still fits");
        }
        let lines = json_lines(|| tracing::info!(a = "y".repeat(100_000), "m"));
        assert!(lines[0]["a"].as_str().unwrap().len() < VALUE_BYTES_MAX + 16);
    }

    #[test]
    fn spans_lend_their_fields() {
        let lines = json_lines(|| {
            let outer = tracing::info_span!("reload", generation = 4, outcome = tracing::field::Empty);
            let _outer = outer.enter();
            outer.record("outcome", "kept");
            let _inner = tracing::info_span!("check", file = "f".repeat(5000)).entered();
            tracing::info!("checked");
        });
        assert_eq!(lines[0]["generation"], 4);
        assert_eq!(lines[0]["outcome"], "kept");
        assert_eq!(lines[0].get("file"), None, "a span's share is bounded");
    }

    #[test]
    fn a_value_that_logs_does_not_destroy_the_line() {
        struct Talker;
        impl std::fmt::Display for Talker {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                tracing::info!("inner");
                f.write_str("value")
            }
        }
        let lines = json_lines(|| tracing::info!(talker = %Talker, "outer"));
        assert!(lines.iter().any(|line| line["message"] == "outer" && line["talker"] == "value"), "{lines:?}");
    }

    #[test]
    fn text_is_for_people() {
        let lines = captured(Format::Text, Level::Info, || tracing::info!(path = "/a b", size = 3, "hello\nworld"));
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let (_, rest) = line.split_once("Z ").unwrap();
        assert_eq!(rest, " INFO hello\\nworld path=\"/a b\" size=3");
    }

    #[test]
    fn debug_is_below_info() {
        let lines = json_lines(|| {
            tracing::debug!("unseen");
            tracing::info!(target: "hyper::proto", "unseen");
            tracing::warn!(target: "hyper::proto", "seen");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}
