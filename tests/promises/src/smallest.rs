//! What is the smallest object?
//!
//! It answers every request with one text. It is written by hand, so that a test may
//! have as many different components as it likes, at once.

/// A component whose objects answer `text`.
pub fn answering(text: &str) -> Vec<u8> {
    component(&Parts {
        text,
        ..Parts::default()
    })
}

/// What a component is made of, where a test wants it otherwise.
pub struct Parts<'a> {
    /// What it answers.
    pub text: &'a str,
    /// Parameters of `fetch` after its own, as the component and as its code has them.
    pub more: (&'a str, &'a str),
    /// More of its code.
    pub code: &'a str,
    /// More of the component around its code.
    pub around: &'a str,
    pub export: &'a str,
    pub memory_pages: u32,
}

impl Default for Parts<'_> {
    fn default() -> Self {
        Parts {
            text: "hello",
            more: ("", ""),
            code: "",
            around: "",
            export: "durable:object/fetch-handler@0.1.0",
            memory_pages: 1,
        }
    }
}

const HEADERS: &str = "(list (tuple string (list u8)))";
const FLAGS: &str = r#"(flags "retryable" "overloaded" "remote" "durable-object-reset")"#;

/// The types of the interface, which refer to each other by a name with this end.
fn types(end: &str) -> [(&'static str, String); 6] {
    [
        ("flags", FLAGS.into()),
        (
            "error",
            format!(
                r#"(record (field "name" string) (field "message" string)
                   (field "flags" $flags{end}) (field "details" (option (list u8))))"#
            ),
        ),
        (
            "body-stream",
            format!(
                r#"(record (field "chunks" (stream u8))
                   (field "end" (future (result (error $error{end})))))"#
            ),
        ),
        (
            "body",
            format!(
                r#"(variant (case "empty") (case "bytes" (list u8))
                   (case "stream" $body-stream{end}))"#
            ),
        ),
        (
            "request",
            format!(
                r#"(record (field "method" string) (field "url" string) (field "headers" {HEADERS})
                   (field "body" $body{end}) (field "upgrade" (option u64)))"#
            ),
        ),
        (
            "response",
            format!(
                r#"(record (field "status" u16) (field "headers" {HEADERS})
                   (field "body" $body{end}))"#
            ),
        ),
    ]
}

/// Request and caller are flattened to 12 core values; the answer is a `result` in memory:
/// ok, status 200, no headers, a body of bytes.
pub fn component(parts: &Parts<'_>) -> Vec<u8> {
    let Parts {
        text,
        more: (more, more_core),
        code,
        around,
        export,
        memory_pages,
    } = parts;
    let length = text.len();
    let function = |end: &str| {
        format!(
            r#"(func (param "request" $request{end}) (param "caller" u64) {more}
               (result (result $response{end} (error $error{end}))))"#
        )
    };
    let joined = |each: &dyn Fn(&str, &str) -> String, end: &str| {
        let each = types(end).map(|(name, definition)| each(name, &definition));
        each.join("\n")
    };
    let defined = joined(&|name, it| format!("(type ${name} {it})"), "");
    let imported = joined(
        &|name, it| {
            format!(
                r#"(type ${name}-d {it}) (import "type-{name}" (type ${name}-i (eq ${name}-d)))"#
            )
        },
        "-i",
    );
    let exported = joined(
        &|name, it| {
            format!(r#"(type ${name}-e {it}) (export ${name}-x "{name}" (type ${name}-e))"#)
        },
        "-x",
    );
    let given = joined(
        &|name, _| format!(r#"(with "type-{name}" (type ${name}))"#),
        "",
    );
    let (inner, outer, shown) = (function(""), function("-i"), function("-x"));
    let component = format!(
        r#"(component
  {defined}
  (core module $code
    (memory (export "memory") {memory_pages})
    (data (i32.const 16) "{text}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
    (func (export "fetch")
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i64)
        {more_core} (result i32)
      (i32.store16 (i32.const 1028) (i32.const 200))
      (i32.store8 (i32.const 1040) (i32.const 1))
      (i32.store (i32.const 1044) (i32.const 16))
      (i32.store (i32.const 1048) (i32.const {length}))
      (i32.const 1024))
    {code})
  (core instance $code (instantiate $code))
  (alias core export $code "memory" (core memory $memory))
  (alias core export $code "realloc" (core func $realloc))
  (alias core export $code "fetch" (core func $fetch))
  (type $fetch {inner})
  (func $fetch (type $fetch) (canon lift (core func $fetch)
    (memory (core memory $memory)) (realloc (core func $realloc))))
  (component $interface
    {imported}
    (type $fetch-i {outer})
    (import "fetch" (func $fetch (type $fetch-i)))
    {exported}
    (type $fetch-x {shown})
    (export "fetch" (func $fetch) (func (type $fetch-x))))
  (instance $interface (instantiate $interface {given} (with "fetch" (func $fetch))))
  (export "{export}" (instance $interface))
  {around}
)"#
    );
    wat::parse_str(&component).unwrap_or_else(|error| panic!("{error}\n{component}"))
}
