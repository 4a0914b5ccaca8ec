//! Where each value stands: a second pass over the text that knows line and column and nothing else.

use saphyr_parser::{Event, Parser, Span};

use super::super::problem::Spot;
use super::number;

/// Deepest nesting whose places are kept; the parser of record refuses more than 128.
const DEPTH_MAX: usize = 160;

/// The place of a value and of what it holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Mark {
    pub(super) spot: Spot,
    pub(super) children: Children,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Children {
    #[default]
    None,
    List(Vec<Mark>),
    /// The key's text, its place, the value's mark.
    Map(Vec<(Box<str>, Spot, Mark)>),
}

/// The marks of the first document. A text that this parser takes otherwise than the parser of record gives fewer
/// marks, never wrong values.
pub(super) fn scan(text: &str) -> Option<Mark> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((Event::DocumentEnd, _)) | Err(_) => break,
            Ok((event, span)) => builder.take(event, span)?,
        }
    }
    builder.finish()
}

/// Where the second document begins.
pub(super) fn second_document(text: &str) -> Option<Spot> {
    Parser::new_from_str(text)
        .map_while(Result::ok)
        .filter(|(event, _)| matches!(event, Event::DocumentStart(_)))
        .nth(1)
        .map(|(_, span)| spot(&span))
}

/// A list or a map that is still open.
struct Open {
    spot: Spot,
    children: Children,
    /// The key whose value comes next.
    key: Option<(Box<str>, Spot)>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Mark>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        match event {
            Event::Scalar(text, ..) => self.leaf(&text, spot(&span)),
            Event::Alias(_) => self.leaf("", spot(&span)),
            Event::SequenceStart(..) => self.push(Children::List(Vec::new()), &span)?,
            Event::MappingStart(..) => self.push(Children::Map(Vec::new()), &span)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop()?;
                self.add("", Mark { spot: open.spot, children: open.children });
            }
            _ => {}
        }
        Some(())
    }

    fn push(&mut self, children: Children, span: &Span) -> Option<()> {
        self.open.push(Open { spot: spot(span), children, key: None });
        (self.open.len() <= DEPTH_MAX).then_some(())
    }

    fn leaf(&mut self, text: &str, spot: Spot) {
        self.add(text, Mark { spot, children: Children::None });
    }

    fn add(&mut self, text: &str, mark: Mark) {
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(mark);
            return;
        };
        match &mut open.children {
            Children::None => {}
            Children::List(list) => list.push(mark),
            Children::Map(entries) => match open.key.take() {
                None => open.key = Some((text.into(), mark.spot)),
                Some((key, at)) => entries.push((key, at, mark)),
            },
        }
    }

    /// Closes what is still open, innermost first.
    fn finish(mut self) -> Option<Mark> {
        while let Some(open) = self.open.pop() {
            self.add("", Mark { spot: open.spot, children: open.children });
        }
        self.root
    }
}

fn spot(span: &Span) -> Spot {
    let width = if span.start.line() == span.end.line() { span.end.col().saturating_sub(span.start.col()) } else { 1 };
    Spot::at(number(span.start.line()), number(span.start.col()).saturating_add(1), number(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_have_their_places() {
        let mark = scan("a: 1\nrötes:\n  - from: x\n    to: [y, z]\n").unwrap();
        let Children::Map(entries) = mark.children else { panic!("a map was expected") };
        assert_eq!((&*entries[0].0, &entries[0].1), ("a", &Spot::at(1, 1, 1)));
        assert_eq!(entries[0].2.spot, Spot::at(1, 4, 1));
        let Children::List(routes) = &entries[1].2.children else { panic!("a list was expected") };
        let Children::Map(route) = &routes[0].children else { panic!("a map was expected") };
        assert_eq!(route[1].1, Spot::at(4, 5, 2));
        let Children::List(to) = &route[1].2.children else { panic!("a list was expected") };
        assert_eq!(to[1].spot, Spot::at(4, 13, 1));
    }

    #[test]
    fn broken_text_gives_the_marks_before_the_break() {
        let Children::Map(entries) = scan("a: 1\nb: [1, }").unwrap().children else { panic!("a map was expected") };
        assert_eq!(&*entries[0].0, "a");
        assert_eq!(scan(""), None);
        assert_eq!(scan(&"[".repeat(10_000)), None);
    }
}
