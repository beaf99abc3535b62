//! Which functions and PRAGMAs an object may use: those of Cloudflare's objects.
//!
//! Left out is what reaches outside the database or tells about its host.

/// Sorted, for the search.
#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    "->", "->>", "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg", "bm25",
    "ceil", "changes", "char", "coalesce", "concat", "concat_ws", "cos", "cosh", "count",
    "cume_dist", "current_date", "current_time", "current_timestamp", "date",
    "datetime", "degrees", "dense_rank", "exp", "first_value", "floor", "format",
    "glob", "group_concat", "hex", "highlight", "ifnull", "iif", "instr", "json",
    "json_array", "json_array_length", "json_each", "json_extract",
    "json_group_array", "json_group_object", "json_insert", "json_object",
    "json_patch", "json_quote", "json_remove", "json_replace", "json_set",
    "json_tree", "json_type", "json_valid", "jsonb", "jsonb_array",
    "jsonb_extract", "jsonb_group_array", "jsonb_group_object",
    "jsonb_insert", "jsonb_object", "jsonb_patch", "jsonb_remove",
    "jsonb_replace", "jsonb_set", "julianday", "lag", "last_insert_rowid",
    "last_value", "lead", "length", "like", "likelihood", "likely", "ln",
    "load_extension", "log", "log2", "lower", "ltrim", "match", "max", "min", "mod",
    "nth_value", "ntile", "nullif", "octet_length", "percent_rank", "pi", "pow",
    "printf", "quote", "radians", "random", "randomblob", "rank", "replace", "round",
    "row_number", "rtreecheck", "rtrim", "sign", "sin", "sinh", "snippet", "soundex",
    "sqlite_drop_column", "sqlite_rename_column",
    "sqlite_rename_quotefix", "sqlite_rename_table",
    "sqlite_rename_test", "sqrt", "strftime", "string_agg", "substr", "substring",
    "sum", "tan", "tanh", "time", "timediff", "total", "total_changes", "trim", "trunc",
    "typeof", "unhex", "unicode", "unixepoch", "unlikely", "upper", "zeroblob",
];

/// What a PRAGMA may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PragmaArgument {
    None,
    /// A truth value, or none to read it.
    OptionalBoolean,
    /// The name of a table or index, which the PRAGMA describes; the host's too,
    /// for programs that explore a schema ask for each name in it.
    AnyName,
    OptionalAnyName,
    OptionalName,
    OptionalNumber,
    OptionalNumberOrName,
}

const PRAGMAS: &[(&str, PragmaArgument)] = &[
    ("case_sensitive_like", PragmaArgument::OptionalBoolean),
    ("data_version", PragmaArgument::None),
    ("defer_foreign_keys", PragmaArgument::OptionalBoolean),
    ("foreign_key_check", PragmaArgument::OptionalName),
    ("foreign_key_list", PragmaArgument::AnyName),
    ("foreign_keys", PragmaArgument::OptionalBoolean),
    ("ignore_check_constraints", PragmaArgument::OptionalBoolean),
    ("index_info", PragmaArgument::AnyName),
    ("index_list", PragmaArgument::AnyName),
    ("index_xinfo", PragmaArgument::AnyName),
    ("legacy_alter_table", PragmaArgument::OptionalBoolean),
    ("optimize", PragmaArgument::OptionalNumber),
    // The R*Tree module asks for it; to set it is refused.
    ("page_size", PragmaArgument::None),
    ("quick_check", PragmaArgument::OptionalNumberOrName),
    ("recursive_triggers", PragmaArgument::OptionalBoolean),
    ("reverse_unordered_selects", PragmaArgument::OptionalBoolean),
    ("table_info", PragmaArgument::AnyName),
    ("table_list", PragmaArgument::OptionalAnyName),
    ("table_xinfo", PragmaArgument::AnyName),
];

const MODULES: &[&str] = &["fts5", "fts5vocab", "rtree", "rtree_i32"];

const BOOLEANS: &[&str] = &["true", "false", "yes", "no", "on", "off", "1", "0"];

/// Whether an object may call this function.
pub fn is_function(name: &str) -> bool {
    FUNCTIONS.binary_search(&name).is_ok()
}

/// Whether an object may create virtual tables of this module.
pub fn is_module(name: &str) -> bool {
    MODULES
        .iter()
        .any(|module| module.eq_ignore_ascii_case(name))
}

/// Whether the name is free to objects; `_cf_` in any case is the host's.
pub fn is_free_name(name: &str) -> bool {
    !name
        .as_bytes()
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"_cf_"))
}

/// Whether a text might hold a name of the host, or one from which a virtual table
/// makes such names: `_cf` becomes `_cf_data`.
pub fn mentions_prefix(text: &str) -> bool {
    text.as_bytes()
        .windows(3)
        .any(|three| three.eq_ignore_ascii_case(b"_cf"))
}

/// Whether this PRAGMA, with an argument, changes the connection.
pub fn is_setting(name: &str) -> bool {
    PRAGMAS.iter().any(|(pragma, argument)| {
        *argument == PragmaArgument::OptionalBoolean && pragma.eq_ignore_ascii_case(name)
    })
}

/// Whether an object may run this PRAGMA with this argument.
pub fn is_pragma(name: &str, argument: Option<&str>) -> bool {
    let Some((_, shape)) = PRAGMAS
        .iter()
        .find(|(pragma, _)| pragma.eq_ignore_ascii_case(name))
    else {
        return false;
    };
    match (shape, argument) {
        (PragmaArgument::AnyName, None) => false,
        (_, None) => true,
        (PragmaArgument::None, Some(_)) => false,
        (PragmaArgument::OptionalBoolean, Some(value)) => {
            let plain = value.trim_matches(['\'', '"']);
            BOOLEANS
                .iter()
                .any(|boolean| boolean.eq_ignore_ascii_case(plain))
        }
        (PragmaArgument::AnyName | PragmaArgument::OptionalAnyName, Some(_)) => true,
        (PragmaArgument::OptionalName, Some(value)) => is_free_name(value),
        (PragmaArgument::OptionalNumber, Some(value)) => is_number(value),
        (PragmaArgument::OptionalNumberOrName, Some(value)) => {
            is_number(value) || is_free_name(value)
        }
    }
}

fn is_number(value: &str) -> bool {
    let hexadecimal = value.strip_prefix("0x").or(value.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => u32::from_str_radix(digits, 16).is_ok(),
        None => value.parse::<i32>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    //! The lists decide what an object can reach.
    use super::*;

    #[test]
    fn the_functions_are_sorted() {
        assert!(FUNCTIONS.is_sorted());
    }

    #[test]
    fn a_pragma_is_allowed_with_its_argument_alone() {
        let check = |name, argument, expected| {
            assert_eq!(is_pragma(name, argument), expected, "{name} {argument:?}");
        };
        check("page_size", None, true);
        check("page_size", Some("512"), false);
        check("foreign_keys", Some("OFF"), true);
        check("foreign_keys", Some("'off'"), true);
        check("foreign_keys", Some("2"), false);
        check("table_info", None, false);
        check("table_info", Some("t"), true);
        check("table_info", Some("_CF_KV"), true);
        check("foreign_key_check", Some("_CF_KV"), false);
        check("quick_check", Some("_cf_KV"), false);
        check("quick_check", Some("10"), true);
        check("optimize", Some("0x10002"), true);
        check("optimize", Some("t"), false);
        check("journal_mode", None, false);
        check("writable_schema", Some("1"), false);
    }

    #[test]
    fn names_of_the_host_are_not_free_in_any_case() {
        let check = |name, expected| assert_eq!(is_free_name(name), expected, "{name}");
        check("_cf_KV", false);
        check("_CF_x", false);
        check("_cf_", false);
        check("_cf", true);
        check("cf_kv", true);
        check("é", true);
        check("", true);
    }
}
