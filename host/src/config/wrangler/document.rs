//! A wrangler file's text as a tree in which every part knows where it stands: JSON
//! with comments, or TOML.

use jsonc_parser::ast::{ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value, and the byte at which it begins.
#[derive(Clone, Debug)]
pub struct Node {
    pub at: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Text(String),
    List(Vec<Node>),
    Table(Vec<Field>),
    /// A number, a truth value or null.
    Other(Json),
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub at: usize,
    pub value: Node,
}

/// What is wrong with a text, and at which byte.
#[derive(Debug)]
pub struct Mistake {
    pub at: usize,
    pub why: String,
}

/// As wrangler takes it: JSON with comments and trailing commas, and nothing else.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub fn of_jsonc(text: &str) -> Result<Node, Mistake> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS);
    let parsed = parsed.map_err(|error| Mistake {
        at: error.range().start,
        why: error.kind().to_string(),
    })?;
    match parsed.value {
        Some(value) => of_value(value),
        None => Err(Mistake {
            at: 0,
            why: "there is no configuration in it; write { … }".into(),
        }),
    }
}

fn of_value(value: Value) -> Result<Node, Mistake> {
    let at = value.range().start;
    let kind = match value {
        Value::StringLit(text) => Kind::Text(text.value.into_owned()),
        Value::NumberLit(number) => Kind::Other(number_of(number.value, at)?),
        Value::BooleanLit(truth) => Kind::Other(truth.value.into()),
        Value::NullKeyword(_) => Kind::Other(Json::Null),
        Value::Array(list) => {
            let nodes = list.elements.into_iter().map(of_value);
            Kind::List(nodes.collect::<Result<_, _>>()?)
        }
        Value::Object(table) => {
            let mut fields = Vec::new();
            for ObjectProp { range, name, value } in table.properties {
                let value = of_value(value)?;
                put(&mut fields, name.into_string(), range.start, value)?;
            }
            Kind::Table(fields)
        }
    };
    Ok(Node { at, kind })
}

pub fn of_toml(text: &str) -> Result<Node, Mistake> {
    let table = DeTable::parse(text).map_err(|error| Mistake {
        at: error.span().map_or(0, |span| span.start),
        why: error.message().trim_end().into(),
    })?;
    let at = table.span().start;
    let kind = of_table(table.into_inner())?;
    Ok(Node { at, kind })
}

fn of_table(table: DeTable) -> Result<Kind, Mistake> {
    let mut fields = Vec::new();
    for (name, value) in table {
        let (at, value) = (name.span().start, of_item(value)?);
        put(&mut fields, name.into_inner().into_owned(), at, value)?;
    }
    // As they stand, not by name.
    fields.sort_by_key(|field| field.at);
    Ok(Kind::Table(fields))
}

fn of_item(value: Spanned<DeValue>) -> Result<Node, Mistake> {
    let at = value.span().start;
    let kind = match value.into_inner() {
        DeValue::String(text) => Kind::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            let why = || format!("{number} is too large a number");
            Kind::Other(parsed.map_err(|_| Mistake { at, why: why() })?.into())
        }
        DeValue::Float(number) => Kind::Other(number_of(number.as_str(), at)?),
        DeValue::Boolean(truth) => Kind::Other(truth.into()),
        DeValue::Datetime(time) => Kind::Text(time.to_string()),
        DeValue::Array(list) => {
            let nodes = list.into_iter().map(of_item);
            Kind::List(nodes.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => of_table(table)?,
    };
    Ok(Node { at, kind })
}

fn number_of(text: &str, at: usize) -> Result<Json, Mistake> {
    let parsed = text.parse::<serde_json::Number>();
    let why = || format!("{text} is no number");
    Ok(Json::Number(
        parsed.map_err(|_| Mistake { at, why: why() })?,
    ))
}

fn put(fields: &mut Vec<Field>, name: String, at: usize, value: Node) -> Result<(), Mistake> {
    if fields.iter().any(|known| known.name == name) {
        let why = format!("{name:?} stands here twice; remove one");
        return Err(Mistake { at, why });
    }
    fields.push(Field { name, at, value });
    Ok(())
}

impl Node {
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn list(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(nodes) => Some(nodes),
            _ => None,
        }
    }

    pub fn table(&self) -> Option<&[Field]> {
        match &self.kind {
            Kind::Table(fields) => Some(fields),
            _ => None,
        }
    }

    pub fn get(&self, name: &str) -> Option<&Node> {
        let field = self.table()?.iter().find(|field| field.name == name);
        field.map(|field| &field.value)
    }

    /// Its kind, as an error names it.
    pub fn is_called(&self) -> &'static str {
        match &self.kind {
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Table(_) => "an object",
            Kind::Other(Json::Number(_)) => "a number",
            Kind::Other(Json::Bool(_)) => "a truth value",
            Kind::Other(_) => "null",
        }
    }

    pub fn json(&self) -> Json {
        match &self.kind {
            Kind::Text(text) => text.as_str().into(),
            Kind::List(nodes) => nodes.iter().map(Node::json).collect(),
            Kind::Table(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|field| (field.name.clone(), field.value.json()));
                Json::Object(fields.collect())
            }
            Kind::Other(json) => json.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Comments, commas and line ends are read as wrangler reads them.

    use super::*;

    #[test]
    fn json_with_comments_is_read_whole() {
        let check = |text: &str, expected: &str| {
            let node = of_jsonc(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"));
            assert_eq!(node.json().to_string(), expected, "{text}");
        };
        check("{}", "{}");
        check(
            "{ // one\r\n\"a\": \"x\", /* two */ \"b\": [1, 2,],\r\n}",
            r#"{"a":"x","b":[1,2]}"#,
        );
        // What looks like a comment and is none.
        check(
            r#"{"url": "https://a/b // c", "glob": "/* x */", "e": "\u00e9\n"}"#,
            r#"{"e":"é\n","glob":"/* x */","url":"https://a/b // c"}"#,
        );
        check("[null, true, -1.5e3]", "[null,true,-1500.0]");
    }

    #[test]
    fn both_languages_say_the_same() {
        let json =
            of_jsonc(r#"{"main": "a.ts", "vars": {"N": 1, "F": 1.5, "T": true}, "l": ["x"]}"#);
        let toml = of_toml("main = \"a.ts\"\nl = [\"x\"]\n[vars]\nN = 1\nF = 1.5\nT = true\n");
        assert_eq!(json.unwrap().json(), toml.unwrap().json());
    }

    #[test]
    fn a_mistake_is_found_where_it_stands() {
        let check = |read: Result<Node, Mistake>, at: usize, part: &str| {
            let mistake = read.expect_err(part);
            assert_eq!(mistake.at, at, "{mistake:?}");
            assert!(mistake.why.contains(part), "{mistake:?}");
        };
        check(of_jsonc("{\n  \"a\" 1\n}"), 8, "colon");
        check(of_jsonc("{\"a\": 1 \"b\": 2}"), 7, "comma");
        check(of_jsonc("{'a': 1}"), 1, "quote");
        check(
            of_jsonc("{\"a\": 1, \"a\": 2}"),
            9,
            "\"a\" stands here twice",
        );
        check(of_jsonc("// nothing"), 0, "no configuration");
        check(of_toml("a = 1\na = 2"), 6, "duplicate");
    }
}
