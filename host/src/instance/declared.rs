//! Which classes does a component say that it has?
//!
//! An SDK writes their names, one a line, into a custom section of the code.
//! Components without it take whatever class they are given.

use wasmparser::{Parser, Payload};

pub const CLASSES: &str = "durable-object:classes";

/// There if the component is a gateway to its own classes, too.
pub const GATEWAY: &str = "durable-object:gateway";

/// The names of the classes, in the order in which they were declared.
pub fn classes(component: &[u8]) -> Vec<String> {
    let lines = sections(component, CLASSES).flat_map(|data| data.split(|byte| *byte == b'\n'));
    let names = lines.filter_map(|line| std::str::from_utf8(line).ok());
    names
        .filter(|name| !name.is_empty())
        .map(Into::into)
        .collect()
}

/// Is it a gateway, too?
pub fn is_gateway(component: &[u8]) -> bool {
    sections(component, GATEWAY).next().is_some()
}

fn sections<'a>(component: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let payloads = Parser::new(0).parse_all(component);
    payloads.filter_map(move |payload| match payload {
        Ok(Payload::CustomSection(section)) if section.name() == name => Some(section.data()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    //! Names are found in the modules of a component too.

    use super::*;

    #[test]
    fn the_classes_of_a_component_are_those_of_its_modules() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(classes(&wat::parse_str(text).unwrap()), expected, "{text}");
        };
        check("(component)", &[]);
        check(
            "(component (core module (@custom \"other\" \"a\\n\")))",
            &[],
        );
        check(
            "(component (core module (@custom \"durable-object:classes\" \"alpha\\nb\\n\")))",
            &["alpha", "b"],
        );
        assert_eq!(classes(b"\0asm\x0d\0\x01\0\xff\xff"), [""; 0]);
    }
}
