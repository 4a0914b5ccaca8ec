//! The message that a request brings to an MCP server (JSON-RPC 2.0), read as far as `mcp_tool` needs it.
//!
//! Reading is strict: whatever two readers might understand differently is no message. Where a policy asks for the tool,
//! a body that is no message is refused; Pomerium lets it pass.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Deepest nesting of lists and maps, the message itself among them.
const DEPTH_MAX: usize = 32;
/// The method that calls a tool.
const TOOLS_CALL: &str = "tools/call";

/// What a request asks of an MCP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mcp<'a> {
    /// Nothing: it has no body, or nobody asked for the message.
    #[default]
    Nothing,
    /// A call of this tool.
    ToolCall(&'a str),
    /// Something else.
    Other,
    /// Its body is not one message that everybody reads alike.
    Unreadable,
}

/// One message: a request, a notification, or a response.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// `null` for a notification.
    pub id: Value,
    /// `None` for a response.
    pub method: Option<Box<str>>,
    /// The tool that is called.
    pub tool: Option<Box<str>>,
}

/// Why a body is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("the body is not one JSON value that everybody reads alike: {0}")]
    Json(String),
    #[error("the body is a list of messages; one message was expected")]
    Batch,
    #[error("the body is no JSON-RPC 2.0 message: {0}")]
    Form(&'static str),
}

impl Message {
    /// Reads a whole body. Refused are, beside what is no JSON-RPC 2.0: keys that occur twice in one map, keys that differ from
    /// known ones in case alone, nesting beyond a bound, and lists of messages.
    pub fn parse(body: &[u8]) -> Result<Message, MessageError> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let value = Strict { depth: 0 }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
        match value.map_err(|error| MessageError::Json(error.to_string()))? {
            Value::Object(members) => Message::read(members),
            Value::Array(_) => Err(MessageError::Batch),
            _ => Err(MessageError::Form("it is no map")),
        }
    }

    fn read(mut members: Map<String, Value>) -> Result<Message, MessageError> {
        spelling(&members, &["jsonrpc", "id", "method", "params", "result", "error"])?;
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(MessageError::Form("jsonrpc is not \"2.0\""));
        }
        let id = members.remove("id").unwrap_or(Value::Null);
        if !matches!(id, Value::Null | Value::String(_) | Value::Number(_)) {
            return Err(MessageError::Form("the id is neither text nor number"));
        }
        let is_response = members.contains_key("result") || members.contains_key("error");
        let method: Box<str> = match members.get("method") {
            Some(Value::String(method)) if !is_response => method.as_str().into(),
            None if is_response => return Ok(Message { id, method: None, tool: None }),
            _ => return Err(MessageError::Form("it has no method")),
        };
        let tool = if &*method == TOOLS_CALL { Some(tool(members.get("params"))?) } else { None };
        Ok(Message { id, method: Some(method), tool })
    }

    /// What a policy sees of it.
    pub fn fact(&self) -> Mcp<'_> {
        self.tool.as_deref().map_or(Mcp::Other, Mcp::ToolCall)
    }
}

fn tool(params: Option<&Value>) -> Result<Box<str>, MessageError> {
    let Some(Value::Object(params)) = params else { return Err(MessageError::Form("the call has no params")) };
    spelling(params, &["name", "arguments"])?;
    match params.get("name") {
        Some(Value::String(name)) => Ok(name.as_str().into()),
        _ => Err(MessageError::Form("the call names no tool")),
    }
}

/// Some readers take `Method` for `method`, by the simple case folding of Unicode.
fn spelling(members: &Map<String, Value>, known: &[&str]) -> Result<(), MessageError> {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    let is_alike = |key: &str| known.iter().any(|known| *known != key && key.chars().map(fold).eq(known.chars()));
    match members.keys().any(|key| is_alike(key)) {
        true => Err(MessageError::Form("a key differs from a known one in case")),
        false => Ok(()),
    }
}

/// Reads any JSON value, but no map with a key twice and nothing too deep.
struct Strict {
    /// Of lists and maps around it.
    depth: usize,
}

impl Strict {
    fn below<E: de::Error>(&self) -> Result<Strict, E> {
        if self.depth >= DEPTH_MAX {
            return Err(E::custom(format_args!("it is nested deeper than {DEPTH_MAX}")));
        }
        Ok(Strict { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.below()?)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom("a key occurs twice"));
            }
            let value = map.next_value_seed(self.below()?)?;
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Message, MessageError> {
        Message::parse(text.as_bytes())
    }

    #[test]
    fn messages() {
        let call =
            parse(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"drop","arguments":{"a":1}}}"#);
        assert_eq!(call.as_ref().map(Message::fact), Ok(Mcp::ToolCall("drop")));
        assert_eq!(call.map(|message| message.id), Ok(json!(7)));
        let others = [
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#,
            r#" {"method":"tools\/cal","params":[1],"jsonrpc":"2.0"} "#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"name":"drop"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"drop"}}"#,
        ];
        for text in others {
            assert_eq!(parse(text).as_ref().map(Message::fact), Ok(Mcp::Other), "{text}");
        }
        let escaped = r#"{"jsonrpc":"2.0","method":"tools\u002fcall","params":{"name":"dr\u006fp"}}"#;
        assert_eq!(parse(escaped).as_ref().map(Message::fact), Ok(Mcp::ToolCall("drop")));
    }

    #[test]
    fn what_is_no_message() {
        let call = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"drop"}}"#;
        let texts = [
            "".to_owned(),
            "x".to_owned(),
            "1".to_owned(),
            "\u{feff}{}".to_owned(),
            "{}".to_owned(),
            format!("{call}{call}"),
            format!("{call}x"),
            format!("[{call}]"),
            "[]".to_owned(),
            r#"{"jsonrpc":"1.0","method":"ping"}"#.to_owned(),
            r#"{"jsonrpc":2.0,"method":"ping"}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":1}"#.to_owned(),
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":"ping","result":1}"#.to_owned(),
            r#"{"jsonrpc":"2.0","id":1}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":"tools/call"}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":"tools/call","params":["drop"]}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":["drop"]}}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":"ping","method":"tools/call","params":{"name":"drop"}}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":"ping","m\u0065thod":"ping"}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a","name":"b"}}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a","arguments":{"x":1,"x":2}}}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":"ping","Method":"tools/call"}"#.to_owned(),
            "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"param\u{17f}\":{}}".to_owned(),
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a","NAME":"b"}}"#.to_owned(),
            r#"{"jsonrpc":"2.0","method":"\ud800"}"#.to_owned(),
            format!(r#"{{"jsonrpc":"2.0","method":"x","params":{}{}}}"#, "[".repeat(40), "]".repeat(40)),
            format!("{}{}", r#"{"a":"#.repeat(100_000), "1"),
        ];
        for text in texts {
            assert!(parse(&text).is_err(), "{}", text.chars().take(80).collect::<String>());
        }
        assert_eq!(parse("[]"), Err(MessageError::Batch));
        assert!(Message::parse(b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}").is_err());
    }

    #[test]
    fn nesting_up_to_the_bound() {
        let nested = |depth: usize| {
            format!(r#"{{"jsonrpc":"2.0","method":"x","params":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
        };
        assert!(parse(&nested(DEPTH_MAX - 1)).is_ok());
        assert!(parse(&nested(DEPTH_MAX)).is_err());
    }
}
