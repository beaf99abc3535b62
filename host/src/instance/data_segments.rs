//! Components that begin with a memory have it in thousands of segments of data, cut
//! where there are some zeros, beside empty ones where those of an earlier beginning
//! were. The engine keeps twelve bytes for many of them in every instance, so they are
//! put together before a component is compiled.

use wasm_encoder::{Component, ConstExpr, DataSection, DataSegment, DataSegmentMode, Module};
use wasm_encoder::{RawSection, SectionId};
use wasmparser::{DataKind, Operator, Parser, Payload, TypeRef};

/// Two segments with fewer zeros between them become one.
const GAP_MAX: u64 = 4096;

/// The component with as few segments as possible; as it is where anything in it is
/// not as expected.
pub fn merged(component: &[u8]) -> Vec<u8> {
    in_component(component).unwrap_or_else(|| component.to_vec())
}

fn in_component(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoded = Component::new();
    // What lies within another section is copied together with that.
    let mut copied = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.ok()?;
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        if range.start < copied {
            continue;
        }
        copied = range.end;
        let within = bytes.get(range)?;
        let changed = match payload {
            Payload::ModuleSection { .. } => in_module(within),
            Payload::ComponentSection { .. } => in_component(within),
            _ => None,
        };
        let data = changed.as_deref().unwrap_or(within);
        encoded.section(&RawSection { id, data });
    }
    Some(encoded.finish())
}

/// The module with fewer segments, if its segments are nothing but the beginning of
/// its one memory.
fn in_module(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut memories = 0;
    let mut segments: Vec<(u64, Vec<u8>)> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    if matches!(import.ok()?.ty, TypeRef::Memory(_)) {
                        return None;
                    }
                }
            }
            Payload::MemorySection(section) => memories += section.count(),
            // Segments may be used by their numbers.
            Payload::DataCountSection { .. } => return None,
            Payload::DataSection(section) => {
                for segment in section {
                    let segment = segment.ok()?;
                    // Nobody can use it.
                    if matches!(segment.kind, DataKind::Passive) {
                        continue;
                    }
                    add(&mut segments, address(&segment.kind)?, segment.data)?;
                }
            }
            _ => {}
        }
    }
    if memories != 1 || segments.is_empty() {
        return None;
    }
    let mut encoded = Module::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let Some((id, range)) = payload.ok()?.as_section() else {
            continue;
        };
        let data = bytes.get(range)?;
        if id == SectionId::Data as u8 {
            encoded.section(&section(&segments));
        } else {
            encoded.section(&RawSection { id, data });
        }
    }
    Some(encoded.finish())
}

/// Adds a segment, or nothing if it does not lie behind all others.
fn add(segments: &mut Vec<(u64, Vec<u8>)>, address: u64, data: &[u8]) -> Option<()> {
    let end = |(at, data): &(u64, Vec<u8>)| at + data.len() as u64;
    let gap = address.checked_sub(segments.last().map_or(0, end))?;
    match segments.last_mut() {
        Some((_, before)) if gap < GAP_MAX => {
            before.resize(before.len() + gap as usize, 0);
            before.extend_from_slice(data);
        }
        _ => segments.push((address, data.to_vec())),
    }
    Some(())
}

/// Where a segment goes, if that is a constant.
fn address(kind: &DataKind<'_>) -> Option<u64> {
    let DataKind::Active { offset_expr, .. } = kind else {
        return None;
    };
    let mut operators = offset_expr.get_operators_reader();
    let first = operators.read().ok()?;
    let is_alone = matches!(operators.read().ok()?, Operator::End);
    match first {
        Operator::I32Const { value } if is_alone => Some(u64::from(value as u32)),
        _ => None,
    }
}

fn section(segments: &[(u64, Vec<u8>)]) -> DataSection {
    let mut section = DataSection::new();
    for (address, data) in segments {
        section.segment(DataSegment {
            mode: DataSegmentMode::Active {
                memory_index: 0,
                offset: &ConstExpr::i32_const(*address as u32 as i32),
            },
            data: data.iter().copied(),
        });
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments_of(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            if let Payload::DataSection(section) = payload.expect("it is valid") {
                for segment in section {
                    let segment = segment.expect("it is valid");
                    let at = address(&segment.kind).expect("it is a constant");
                    found.push((at, segment.data.to_vec()));
                }
            }
        }
        found
    }

    fn of(module: &str) -> Vec<(u64, Vec<u8>)> {
        let text = format!("(component (core module {module}) (component (core module {module})))");
        let bytes = merged(&wat::parse_str(text).expect("it is valid"));
        wasmparser::validate(&bytes).expect("it stays valid");
        let mut found = segments_of(&bytes);
        let inner = found.split_off(found.len() / 2);
        assert_eq!(found, inner);
        found
    }

    #[test]
    fn near_segments_become_one() {
        let module = r#"(memory 2) (data (i32.const 8) "ab") (data (i32.const 12) "c") (data "passive") (data (i32.const 13) "d") (data (i32.const 65536) "e")"#;
        let expected = vec![(8, b"ab\0\0cd".to_vec()), (65536, b"e".to_vec())];
        assert_eq!(of(module), expected);
    }

    #[test]
    fn what_is_more_than_a_beginning_stays() {
        for (module, count) in [
            (
                r#"(memory 1) (data (i32.const 8) "ab") (data (i32.const 9) "c")"#,
                2,
            ),
            (
                r#"(memory 1) (data (i32.const 8) "ab") (data (i32.const 2) "c")"#,
                2,
            ),
            (
                r#"(import "m" "m" (memory 1)) (data (i32.const 8) "a") (data (i32.const 9) "b")"#,
                2,
            ),
            (
                r#"(memory 1) (data (i32.const 8) "ab") (data (i32.const 10) "c") (func (data.drop 0))"#,
                2,
            ),
        ] {
            assert_eq!(of(module).len(), count, "{module}");
        }
    }

    #[test]
    fn what_is_no_component_stays() {
        assert_eq!(merged(b"nonsense"), b"nonsense");
        let module = r#"(component (core module (memory 1) (data (i32.const 8) "a") (data (i32.const 10) "b")))"#;
        let whole = wat::parse_str(module).expect("it is valid");
        for end in 0..whole.len() {
            let cut = &whole[..end];
            assert_eq!(merged(cut), cut, "{end} bytes");
        }
    }
}
