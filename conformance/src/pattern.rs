//! Is what came back what was promised?

use std::fmt;

use anyhow::{Result, anyhow};
use regex_lite::Regex;
use serde_json::{Map, Value};

use crate::expression::Names;

/// An exact text, or a regular expression for the whole of it.
#[derive(Clone, Debug)]
pub enum TextPattern {
    Exact(String),
    Regex(Regex),
}

impl TextPattern {
    pub fn regex(text: &str) -> Result<TextPattern> {
        let regex = Regex::new(&format!("(?s)^(?:{text})$"));
        regex
            .map(TextPattern::Regex)
            .map_err(|error| anyhow!("bad pattern {text:?}: {error}"))
    }

    pub fn matches(&self, text: &str) -> bool {
        match self {
            TextPattern::Exact(exact) => exact == text,
            TextPattern::Regex(regex) => regex.is_match(text),
        }
    }

    /// Whether it occurs in an answer, which may say more than the message.
    pub fn occurs_in(&self, text: &str) -> bool {
        match self {
            TextPattern::Exact(exact) => text.contains(exact),
            TextPattern::Regex(regex) => regex.is_match(text.trim()),
        }
    }
}

impl fmt::Display for TextPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextPattern::Exact(text) => write!(f, "{text:?}"),
            TextPattern::Regex(regex) => write!(f, "~{:?}", regex.as_str()),
        }
    }
}

/// Whether numbers must be of the same kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbers {
    /// An integer is not a real.
    Exact,
    /// Some hosts know reals alone.
    Loose,
}

/// Compares an answer with a pattern: a value, in which `{"any": true}` stands for
/// anything, `{"match": "regex"}` for a text, `{"same": "x"}` for what was seen
/// under that word before, if it was, `{"other": "x"}` for anything else, and
/// `{"one-of": […]}` for each of these.
pub fn matches(pattern: &Value, got: &Value, names: &mut Names, numbers: Numbers) -> Result<bool> {
    if let Value::Object(fields) = pattern
        && fields.len() == 1
        && let Some((key, argument)) = fields.iter().next()
    {
        match (key.as_str(), argument) {
            ("any", _) => return Ok(true),
            ("match", Value::String(regex)) => {
                let regex = TextPattern::regex(regex)?;
                return Ok(got.as_str().is_some_and(|text| regex.matches(text)));
            }
            ("same", Value::String(word)) => return Ok(names.saved_or(word, got) == *got),
            ("one-of", Value::Array(choices)) => {
                for choice in choices {
                    if matches(choice, got, names, numbers)? {
                        return Ok(true);
                    }
                }
                return Ok(false);
            }
            ("other", Value::String(word)) => return Ok(names.saved(word)? != *got),
            _ => {}
        }
    }
    match (pattern, got) {
        (Value::Array(patterns), Value::Array(items)) => {
            if patterns.len() != items.len() {
                return Ok(false);
            }
            for (pattern, item) in patterns.iter().zip(items) {
                if !matches(pattern, item, names, numbers)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(patterns), Value::Object(fields)) if !names.is_expression(pattern) => {
            if number(pattern).is_some() || number(got).is_some() {
                return Ok(same_number(pattern, got, numbers));
            }
            fields_match(patterns, fields, names, numbers)
        }
        _ => {
            let expected = names.expand(pattern)?;
            Ok(expected == *got || same_number(&expected, got, numbers))
        }
    }
}

fn fields_match(
    patterns: &Map<String, Value>,
    fields: &Map<String, Value>,
    names: &mut Names,
    numbers: Numbers,
) -> Result<bool> {
    if patterns.len() != fields.len() {
        return Ok(false);
    }
    for (key, pattern) in patterns {
        let Some(field) = fields.get(key) else {
            return Ok(false);
        };
        if !matches(pattern, field, names, numbers)? {
            return Ok(false);
        }
    }
    Ok(true)
}

enum Number {
    Integer(i64),
    Real(f64),
}

/// Reads `1`, `1.5`, `{"integer": "1"}` and `{"real": "1.5"}`.
fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Some(Number::Integer(integer)),
            None => number.as_f64().map(Number::Real),
        },
        Value::Object(fields) if fields.len() == 1 => {
            let text = |key| fields.get(key).and_then(Value::as_str);
            match (text("integer"), text("real")) {
                (Some(integer), _) => integer.parse().ok().map(Number::Integer),
                (_, Some(real)) => real.parse().ok().map(Number::Real),
                _ => None,
            }
        }
        _ => None,
    }
}

fn same_number(expected: &Value, got: &Value, numbers: Numbers) -> bool {
    match (number(expected), number(got)) {
        (Some(Number::Integer(a)), Some(Number::Integer(b))) => a == b,
        (Some(Number::Real(a)), Some(Number::Real(b))) => same_real(a, b),
        (Some(Number::Integer(a)), Some(Number::Real(b)))
        | (Some(Number::Real(b)), Some(Number::Integer(a))) => {
            numbers == Numbers::Loose && same_real(a as f64, b)
        }
        _ => false,
    }
}

/// 0.0 is not −0.0, but NaN is NaN.
fn same_real(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[cfg(test)]
mod tests {
    //! A matcher that accepts too much would prove nothing.

    use serde_json::json;

    use super::*;

    fn check(pattern: Value, got: Value, accepted: bool) {
        let mut names = Names::new("case");
        let verdict = matches(&pattern, &got, &mut names, Numbers::Exact).unwrap();
        assert_eq!(verdict, accepted, "{pattern} against {got}");
    }

    #[test]
    fn values_match_themselves_alone() {
        check(json!("a"), json!("a"), true);
        check(json!("a"), json!("b"), false);
        check(json!(null), json!(null), true);
        check(json!(null), json!("null"), false);
        check(json!(true), json!(1), false);
        check(json!({"blob": "00"}), json!({"blob": "00"}), true);
        check(json!({"blob": "00"}), json!("\0"), false);
        check(json!([]), json!([[]]), false);
        check(json!([1, [2]]), json!([1, [2]]), true);
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), false);
    }

    #[test]
    fn integers_and_reals_are_apart() {
        check(json!(1), json!({"real": "1.0"}), false);
        check(json!(1.0), json!({"real": "1.0"}), true);
        check(json!(1.0), json!(1), false);
        check(
            json!(9223372036854775807i64),
            json!({"integer": "9223372036854775807"}),
            true,
        );
        check(json!({"real": "Infinity"}), json!({"real": "inf"}), true);
        check(json!(-0.0), json!({"real": "0.0"}), false);
        check(json!([[1.5]]), json!([[{"real": "1.5"}]]), true);
    }

    #[test]
    fn a_host_with_reals_alone_is_compared_by_value() {
        let mut names = Names::new("case");
        assert!(matches(&json!(1.0), &json!(1), &mut names, Numbers::Loose).unwrap());
        assert!(!matches(&json!(1.5), &json!(1), &mut names, Numbers::Loose).unwrap());
    }

    #[test]
    fn patterns_cover_the_whole_text() {
        check(json!({"match": "[0-9]+"}), json!("123"), true);
        check(json!({"match": "[0-9]+"}), json!("123 "), false);
        check(json!({"match": "[0-9]+"}), json!(123), false);
        check(json!([{"any": true}, 1]), json!(["x", 1]), true);
        check(json!({"one-of": [null, "a"]}), json!("a"), true);
        check(json!({"one-of": [null, "a"]}), json!("b"), false);
    }

    #[test]
    fn a_word_stands_for_what_it_first_met() {
        let mut names = Names::new("case");
        let mut try_match =
            |pattern, got| matches(&pattern, &got, &mut names, Numbers::Exact).unwrap();
        assert!(try_match(json!({"same": "x"}), json!("1")));
        assert!(try_match(json!({"same": "x"}), json!("1")));
        assert!(!try_match(json!({"same": "x"}), json!("2")));
        assert!(try_match(json!({"other": "x"}), json!("2")));
        assert!(!try_match(json!({"other": "x"}), json!("1")));
    }

    #[test]
    fn expressions_are_expanded_before_they_are_compared() {
        check(json!({"repeat": ["ab", 2]}), json!("abab"), true);
        check(json!([{"repeat": ["ab", 2]}]), json!(["aba"]), false);
    }
}
