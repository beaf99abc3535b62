//! How does a case write a value that is large, or known only when it runs?
//!
//! | Expression | Value |
//! |---|---|
//! | `{"repeat": ["x", 3]}` | the text `xxx` |
//! | `{"series": ["c{}", ",", 3]}` | the text `c1,c2,c3` |
//! | `{"concat": ["a", …]}` | the texts one after the other |
//! | `{"list": [1, 3]}` | the list `[1, 1, 1]` |
//! | `{"name-of": "a"}` | the name of the case's object `a` |
//! | `{"saved": "x"}` | what the pattern `{"same": "x"}` has met |
//! | `{"upper": …}` | the text in upper case |

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// More than any promise needs; a slip of the pen should not fill the memory.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// Integers beyond this are not exact in every language's JSON.
const JSON_INTEGER_MAX: u64 = (1 << 53) - 1;

const EXPRESSIONS: [&str; 7] = [
    "repeat", "series", "concat", "list", "name-of", "saved", "upper",
];

/// What the words of one run of a case stand for.
pub struct Names {
    token: String,
    saved: HashMap<String, Value>,
}

impl Names {
    /// `token` keeps this run's objects apart from those of all others.
    pub fn new(token: impl Into<String>) -> Names {
        Names {
            token: token.into(),
            saved: HashMap::new(),
        }
    }

    pub fn name_of(&self, label: &str) -> String {
        format!("{}-{label}", self.token)
    }

    pub fn saved(&self, word: &str) -> Result<Value> {
        self.saved
            .get(word)
            .cloned()
            .with_context(|| format!("nothing was saved as {word:?}"))
    }

    /// What was saved under a word; saves `value` if nothing was.
    pub fn saved_or(&mut self, word: &str, value: &Value) -> Value {
        self.saved
            .entry(word.into())
            .or_insert_with(|| value.clone())
            .clone()
    }

    pub fn is_expression(&self, value: &Value) -> bool {
        expression(value).is_some()
    }

    /// The value that an expression, or a value with expressions in it, stands for.
    pub fn expand(&self, value: &Value) -> Result<Value> {
        if let Some((name, argument)) = expression(value) {
            let expanded = self.expand_call(name, argument);
            return expanded.with_context(|| format!("in {value}"));
        }
        Ok(match value {
            Value::Array(items) => items
                .iter()
                .map(|item| self.expand(item))
                .collect::<Result<_>>()?,
            Value::Object(fields) => {
                let expand =
                    |(key, field): (&String, &Value)| Ok((key.clone(), self.expand(field)?));
                Value::Object(fields.iter().map(expand).collect::<Result<_>>()?)
            }
            other => other.clone(),
        })
    }

    fn expand_call(&self, name: &str, argument: &Value) -> Result<Value> {
        Ok(match name {
            "name-of" => json!(self.name_of(text(argument)?)),
            "saved" => self.saved(text(argument)?)?,
            "upper" => json!(text(&self.expand(argument)?)?.to_uppercase()),
            "concat" => {
                let Value::Array(parts) = self.expand(argument)? else {
                    bail!("concat takes a list of texts")
                };
                json!(parts.iter().map(text).collect::<Result<Vec<_>>>()?.concat())
            }
            "list" => {
                let [item, count] = arguments(argument)?;
                json!(vec![self.expand(item)?; number(count)?])
            }
            "repeat" => {
                let [part, count] = arguments(argument)?;
                let (part, count) = (text(part)?, number(count)?);
                if part.len().saturating_mul(count) > TEXT_BYTES_MAX {
                    bail!("over {TEXT_BYTES_MAX} bytes");
                }
                json!(part.repeat(count))
            }
            "series" => {
                let [part, separator, count] = arguments(argument)?;
                let (part, count) = (text(part)?, number(count)?);
                let parts: Vec<_> = (1..=count)
                    .map(|n| part.replace("{}", &n.to_string()))
                    .collect();
                json!(parts.join(text(separator)?))
            }
            _ => bail!("there is no expression {name:?}"),
        })
    }
}

fn expression(value: &Value) -> Option<(&str, &Value)> {
    let Value::Object(fields) = value else {
        return None;
    };
    let (name, argument) = fields.iter().next()?;
    (fields.len() == 1 && EXPRESSIONS.contains(&name.as_str())).then_some((name, argument))
}

fn arguments<const COUNT: usize>(value: &Value) -> Result<[&Value; COUNT]> {
    let items: Vec<&Value> = value
        .as_array()
        .map(|items| items.iter().collect())
        .unwrap_or_default();
    items
        .try_into()
        .ok()
        .with_context(|| format!("takes a list of {COUNT}"))
}

fn text(value: &Value) -> Result<&str> {
    value
        .as_str()
        .with_context(|| format!("{value} is not a text"))
}

fn number(value: &Value) -> Result<usize> {
    let number = value
        .as_u64()
        .with_context(|| format!("{value} is not a count"))?;
    Ok(usize::try_from(number)?)
}

/// The form in which values travel: reals as `{"real": "1.5"}`, integers that some
/// language's JSON would round as `{"integer": "…"}`.
pub fn on_the_wire(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(integer) if integer.unsigned_abs() <= JSON_INTEGER_MAX => json!(integer),
            Some(integer) => json!({ "integer": integer.to_string() }),
            None => json!({ "real": format!("{:?}", number.as_f64().unwrap_or(f64::NAN)) }),
        },
        Value::Array(items) => items.into_iter().map(on_the_wire).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, field)| (key, on_the_wire(field)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    //! Expressions mean what the table says.

    use super::*;

    fn check(value: Value, expanded: Value) {
        assert_eq!(Names::new("t").expand(&value).unwrap(), expanded, "{value}");
    }

    #[test]
    fn expressions_expand() {
        check(json!({"repeat": ["ab", 3]}), json!("ababab"));
        check(json!({"series": ["c{}", ", ", 3]}), json!("c1, c2, c3"));
        check(json!({"concat": ["x", {"repeat": ["y", 2]}]}), json!("xyy"));
        check(
            json!({"list": [{"real": "1.5"}, 2]}),
            json!([{"real": "1.5"}, {"real": "1.5"}]),
        );
        check(json!({"name-of": "a"}), json!("t-a"));
        check(json!({"upper": "0a"}), json!("0A"));
        check(
            json!({"start": "a", "limit": 1}),
            json!({"start": "a", "limit": 1}),
        );
    }

    #[test]
    fn mistakes_are_refused() {
        for value in [
            json!({"repeat": ["x"]}),
            json!({"saved": "x"}),
            json!({"upper": 1}),
            json!({"repeat": ["x", -1]}),
        ] {
            assert!(Names::new("t").expand(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn numbers_keep_their_kind_on_the_wire() {
        assert_eq!(on_the_wire(json!([1, -1.0])), json!([1, {"real": "-1.0"}]));
        assert_eq!(
            on_the_wire(json!(i64::MIN)),
            json!({"integer": "-9223372036854775808"})
        );
    }
}
