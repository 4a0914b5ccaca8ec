//! The parameters of a query or a form: each at most once (RFC 6749 section 3.1).

use std::collections::HashMap;

/// Most parameters of one request.
const PARAMETERS_MAX: usize = 32;

/// Decoded parameters.
#[derive(Debug)]
pub struct Parameters(HashMap<String, String>);

/// Why parameters were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    #[error("the parameter {0:?} is there twice")]
    Twice(String),
    #[error("there are more than {PARAMETERS_MAX} parameters")]
    Many,
}

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text.
    pub fn parse(text: &[u8]) -> Result<Self, ParametersError> {
        let mut found = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if found.len() == PARAMETERS_MAX {
                return Err(ParametersError::Many);
            }
            if found.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(ParametersError::Twice(name.into_owned()));
            }
        }
        Ok(Parameters(found))
    }

    /// A parameter's value; one without a value counts as absent (RFC 6749 section 3.1).
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_may_not_repeat() {
        let parameters = Parameters::parse(b"a=1%202&b=&c=x+y").unwrap();
        assert_eq!(parameters.value("a"), Some("1 2"));
        assert_eq!(parameters.value("b"), None);
        assert_eq!(parameters.value("c"), Some("x y"));
        assert_eq!(Parameters::parse(b"a=1&a=2").unwrap_err(), ParametersError::Twice("a".into()));
        let many: Vec<_> = (0..33).map(|n| format!("p{n}=1")).collect();
        assert_eq!(Parameters::parse(many.join("&").as_bytes()).unwrap_err(), ParametersError::Many);
    }
}
