//! What the instrumenter adds, what it keeps, and what it refuses.

use component_snapshot::{Reason, instrument};
use wasmparser::{Parser, Payload};

/// Why a component is refused, and which part of it is the cause.
fn refused(text: &str) -> (Vec<String>, Reason) {
    match instrument(&wat::parse_str(text).expect("a component")) {
        Err(refused) => (refused.part, refused.reason),
        Ok(_) => panic!("it was instrumented: {text}"),
    }
}

/// A component with one core module, which is instantiated.
fn of_module(fields: &str) -> String {
    format!("(component (core module $m {fields}) (core instance (instantiate $m)))")
}

#[test]
fn a_module_whose_state_cannot_be_saved_is_refused_when_it_is_instantiated() {
    let check = |fields: &str, reason: Reason| {
        let part = vec!["core module 0".to_string()];
        assert_eq!(refused(&of_module(fields)), (part, reason), "{fields}");
        // Nobody can ever call it.
        let unused = format!("(component (core module {fields}))");
        assert!(
            instrument(&wat::parse_str(unused).unwrap()).is_ok(),
            "{fields}"
        );
    };
    check("(memory 1 1 shared)", Reason::SharedMemory);
    check("(memory i64 1)", Reason::Memory64);
    check("(memory 1 (pagesize 1))", Reason::PageSize);
    check("(global (mut v128) (v128.const i64x2 0 0))", Reason::Global);
    check("(global (mut funcref) (ref.null func))", Reason::Global);
    check(
        "(type (struct (field (mut i32))))",
        Reason::GarbageCollected,
    );
    let table = "(table 1 funcref) (elem $e func) (func";
    for change in [
        "(table.set (i32.const 0) (ref.null func))",
        "(drop (table.grow (ref.null func) (i32.const 1)))",
        "(table.fill (i32.const 0) (ref.null func) (i32.const 0))",
        "(table.copy (i32.const 0) (i32.const 0) (i32.const 0))",
        "(table.init $e (i32.const 0) (i32.const 0) (i32.const 0))",
        "(elem.drop $e)",
    ] {
        check(&format!("{table} {change})"), Reason::Table);
    }
    check(
        "(memory 1) (data $d \"a\") (func (data.drop $d))",
        Reason::DataDrop,
    );
}

#[test]
fn a_component_that_is_cut_is_refused() {
    let nested =
        of_module("(memory 1) (global (mut i32) (i32.const 0)) (func (drop (i32.const 1)))");
    let text = format!(
        "(component {nested} {})",
        &nested["(component ".len()..nested.len() - 1]
    );
    let whole = wat::parse_str(text).expect("a component");
    assert!(instrument(&whole).is_ok());
    for length in 0..whole.len() {
        // At the end of a section there is a whole component.
        if let Err(refused) = instrument(&whole[..length]) {
            assert!(
                matches!(refused.reason, Reason::Invalid(_)),
                "{length}: {refused}"
            );
        }
    }
    assert!(instrument(&whole[..whole.len() - 1]).is_err());
}

#[test]
fn a_component_whose_state_cannot_be_saved_is_refused() {
    let check = |text: &str, part: &[&str], reason: Reason| {
        let part = part.iter().map(|part| part.to_string()).collect();
        assert_eq!(refused(text), (part, reason), "{text}");
    };
    check(
        &of_module("(memory 0) (func (drop (memory.grow (i32.const 1))))"),
        &[],
        Reason::EmptyMemory,
    );
    check(
        "(component (core func (canon backpressure.inc)))",
        &[],
        Reason::Backpressure,
    );
    check(
        "(component (core func (canon thread.suspend)))",
        &[],
        Reason::Threads,
    );
    check(
        "(component (import \"m\" (core module $m)) (core instance (instantiate $m)))",
        &["core module 0"],
        Reason::Elsewhere,
    );
    check(
        "(component (import \"c\" (component $c)) (instance (instantiate $c)))",
        &["component 0"],
        Reason::Elsewhere,
    );
    check(
        "(component
           (core module $a (memory (export \"m\") 1) (func $start) (start $start))
           (core module $b (import \"a\" \"m\" (memory 1)) (data (i32.const 0) \"late\"))
           (core instance $a (instantiate $a))
           (core instance (instantiate $b (with \"a\" (instance $a)))))",
        &["core module 1"],
        Reason::LateData,
    );
    let inner = of_module("(memory 1 1 shared)");
    let inner = inner.replacen("(component", "(component $inner", 1);
    check(
        &format!("(component {inner} (instance (instantiate $inner)))"),
        &["component 0", "core module 0"],
        Reason::SharedMemory,
    );
    let many = "(global (mut i64) (i64.const 0))".repeat(8193);
    check(
        &of_module(&format!("(memory 1) {many}")),
        &[],
        Reason::Globals,
    );
}

#[test]
fn parts_that_pass_each_other_a_resource_of_their_own_are_refused() {
    let component = "(component
        (component $maker
          (core module $m (memory 1))
          (core instance (instantiate $m))
          (type $thing (resource (rep i32)))
          (export \"thing\" (type $thing)))
        (component $keeper
          (import \"thing\" (type $thing (sub resource)))
          (core module $m (memory 1))
          (core instance (instantiate $m)))
        (instance $maker (instantiate $maker))
        (alias export $maker \"thing\" (type $thing))
        (instance (instantiate $keeper (with \"thing\" (type $thing)))))";
    assert_eq!(refused(component), (Vec::new(), Reason::InnerResource));
}

#[test]
fn names_that_are_taken_are_refused() {
    let module = "(global (export \"component-snapshot:global0\") (mut i32) (i32.const 0))";
    let taken = Reason::NameTaken("component-snapshot:global0".into());
    assert_eq!(refused(&of_module(module)).1, taken);
    let component = "(component
        (core module $m (memory 1) (func (export \"f\")))
        (core instance $i (instantiate $m))
        (func (export \"snapshot-memory0\") (canon lift (core func $i \"f\"))))";
    assert_eq!(
        refused(component).1,
        Reason::NameTaken("snapshot-memory0".into())
    );
}

#[test]
fn what_is_no_component_is_refused() {
    let check = |bytes: &[u8], text: &str| {
        let refused = instrument(bytes).expect_err(text).to_string();
        assert!(refused.contains(text), "{refused}");
    };
    check(b"", "it is not valid");
    check(b"\0asm\x0d\0\x01\0\xff", "it is not valid");
    check(
        &wat::parse_str("(module)").unwrap(),
        "it is a core module, not a component",
    );
    let once = instrument(&wat::parse_str("(component)").unwrap()).unwrap();
    check(&once.bytes, "it has been instrumented before");
}

#[test]
fn a_component_without_state_gets_nothing_but_an_empty_manifest() {
    let bytes =
        wat::parse_str("(component (core module $m (func)) (core instance (instantiate $m)))");
    let bytes = bytes.unwrap();
    let instrumented = instrument(&bytes).unwrap();
    assert!(instrumented.bytes.starts_with(&bytes));
    assert!(instrumented.manifest.spaces.is_empty() && instrumented.manifest.starts.is_empty());
}

#[test]
fn the_same_component_is_always_instrumented_alike_and_keeps_its_custom_sections() {
    let text = "(component
        (@custom \"of the component\" \"one\")
        (core module $m
          (@custom \"durable-object:classes\" \"counter\")
          (memory 1) (func $start) (start $start)
          (@producers (language \"wat\" \"1\")))
        (core instance (instantiate $m)))";
    let bytes = wat::parse_str(text).unwrap();
    let one = instrument(&bytes).unwrap();
    assert_eq!(one.bytes, instrument(&bytes).unwrap().bytes);
    let sections = |bytes: &[u8]| -> Vec<(String, Vec<u8>)> {
        let payloads = Parser::new(0).parse_all(bytes).map(Result::unwrap);
        let custom = payloads.filter_map(|payload| match payload {
            Payload::CustomSection(section) => Some((section.name().into(), section.data().into())),
            _ => None,
        });
        custom.collect()
    };
    let mut expected = sections(&bytes);
    assert!(expected.len() >= 3);
    expected.push((
        "component-snapshot".into(),
        one.manifest.to_string().into_bytes(),
    ));
    assert_eq!(sections(&one.bytes), expected);
}
