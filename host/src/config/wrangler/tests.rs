//! A wrangler file is taken as wrangler takes it, or refused with the place of its
//! mistake and what to write.

use super::*;
use crate::instance::hibernation::Hibernate;

const CLASS: &str =
    r#""durable_objects": { "bindings": [{ "name": "COUNTER", "class_name": "Counter" }] },"#;
const MADE: &str = r#""migrations": [{ "tag": "v1", "new_sqlite_classes": ["Counter"] }],"#;

fn read_as(name: &str, text: &str, environment: Option<&str>) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.ts"), "").unwrap();
    let asked = Asked {
        environment,
        developing: true,
        process: &|_| None,
    };
    let config = parse(text, Path::new(name), folder.path(), &asked);
    config.map_err(|error| error.to_string())
}

fn read(text: &str) -> Result<Config, String> {
    read_as("wrangler.jsonc", text, None)
}

/// A file with a class, and what else is said.
fn with(rest: &str) -> String {
    format!("{{\n\"main\": \"index.ts\",\n{CLASS}\n{MADE}\n{rest}\n}}")
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    match read(text) {
        Ok(_) => panic!("taken: {text}"),
        Err(message) => assert_eq!(message, expected, "{text}"),
    }
}

fn worker(config: &Config) -> &Worker {
    match &config.gateway.as_ref().unwrap().code {
        Code::Worker(worker) => worker,
        other => panic!("{other:?}"),
    }
}

fn settings(config: &Config) -> Json {
    serde_json::from_str(&worker(config).settings).unwrap()
}

fn variables(config: &Config) -> Vec<(&str, &str)> {
    let variables = config.classes[0].environment.variables().iter();
    variables.map(|(name, value)| (&**name, &**value)).collect()
}

#[test]
fn a_worker_is_its_classes_and_their_gateway() {
    let config = read(&with(
        r#""name": "w", "vars": { "MODE": "live", "MAX": 3, "ON": { "a": [1] } },"#,
    ));
    let config = config.unwrap();
    let names: Vec<_> = config.classes.iter().map(|class| &*class.name).collect();
    assert_eq!(names, ["Counter"]);
    assert!(!config.default_route && config.gateway.is_some());
    let keeps = |class: &ClassConfig| class.hibernate == Hibernate::KeepMemory;
    assert!(config.classes.iter().all(keeps) && !config.gateway.iter().any(keeps));
    assert_eq!(
        config.classes[0].code,
        config.gateway.as_ref().unwrap().code
    );
    let expected = [("MAX", "3"), ("MODE", "live"), ("ON", "{\"a\":[1]}")];
    assert_eq!(variables(&config), expected);
    let settings = settings(&config);
    assert_eq!(
        settings["classes"],
        json!([{ "name": "Counter", "sql": true }])
    );
    assert_eq!(
        settings["bindings"]["COUNTER"],
        json!({ "class": "Counter" })
    );
    assert_eq!(settings["bindings"]["MAX"], json!({ "json": true }));
    assert_eq!(settings["bindings"].get("MODE"), None);
    assert_eq!(config.notes, [""; 0]);
    let tags: Vec<_> = config.migrations.iter().map(|it| &*it.tag).collect();
    assert_eq!(tags, ["v1"]);
}

#[test]
fn toml_says_the_same() {
    let text = "main = \"index.ts\"\n[[durable_objects.bindings]]\nname = \"COUNTER\"\n\
                class_name = \"Counter\"\n[[migrations]]\ntag = \"v1\"\n\
                new_sqlite_classes = [\"Counter\"]\n";
    let toml = read_as("wrangler.toml", text, None).unwrap();
    let jsonc = read(&with("")).unwrap();
    assert_eq!(settings(&toml), settings(&jsonc));
    let refused = read_as(
        "wrangler.toml",
        &format!("{text}[vars]\nA = 1\nA = 2\n"),
        None,
    );
    assert_eq!(refused.unwrap_err(), "wrangler.toml:10:1: duplicate key");
}

#[test]
fn an_environment_inherits_what_wrangler_says_it_does() {
    let text = with(
        r#""vars": { "MODE": "live" },
"env": {
  "staging": { "durable_objects": { "bindings": [{ "name": "C", "class_name": "Counter" }] },
               "vars": { "MODE": "test" } },
  "bare": { },
},"#,
    );
    let staging = read_as("wrangler.jsonc", &text, Some("staging")).unwrap();
    assert_eq!(variables(&staging), [("MODE", "test")]);
    assert_eq!(
        settings(&staging)["bindings"],
        json!({ "C": { "class": "Counter" } })
    );
    assert_eq!(
        read_as("wrangler.jsonc", &text, Some("prod")).unwrap_err(),
        "wrangler.jsonc:6:8: no environment \"prod\" in \"env\": there are staging, bare"
    );
    let bare = read_as("wrangler.jsonc", &text, Some("bare")).unwrap_err();
    assert!(
        bare.contains("does not inherit \"durable_objects\""),
        "{bare}"
    );
    let none = read_as("wrangler.jsonc", &with(""), Some("prod")).unwrap_err();
    assert!(none.contains("it has none; leave --env out"), "{none}");
}

#[test]
fn a_mark_of_the_byte_order_is_no_part_of_the_file() {
    assert!(read(&format!("\u{feff}{}", with(""))).is_ok());
    check_refused(
        "\u{feff}{ \"main\": 3 }",
        "wrangler.jsonc:1:11: \"main\" must be a text, not a number",
    );
}

#[test]
fn what_is_no_json_is_refused_where_it_stands() {
    check_refused(
        "{\n  \"main\" \"index.ts\"\n}",
        "wrangler.jsonc:2:10: Expected colon after the string or word in object property",
    );
    check_refused(
        "{\n  \"main\": 3\n}",
        "wrangler.jsonc:2:11: \"main\" must be a text, not a number",
    );
    check_refused(
        "{ }",
        "wrangler.jsonc:1:1: \"main\" is missing: the module that exports your classes; write \
         for example \"main\": \"src/index.ts\"",
    );
    let missing = read("{ \"main\": \"other.ts\" }").unwrap_err();
    assert!(
        missing.starts_with("wrangler.jsonc:1:11: \"main\": there is no file "),
        "{missing}"
    );
}

#[test]
fn a_class_that_cannot_be_is_named_with_binding_tag_and_way_out() {
    let bound = |class: &str, migrations: &str| {
        format!(
            "{{\n\"main\": \"index.ts\",\n\"durable_objects\": {{ \"bindings\": [\n\
             {{ \"name\": \"COUNTER\", \"class_name\": \"{class}\" }}] }},\n\
             \"migrations\": [{migrations}]\n}}"
        )
    };
    let check = |class: &str, migrations: &str, expected: &str| {
        let expected = format!(
            "wrangler.jsonc:4:36: the binding \"COUNTER\" names class {class:?}, {expected}"
        );
        check_refused(&bound(class, migrations), &expected);
    };
    check(
        "Counter",
        "",
        "which no migration makes; add \"migrations\": [{ \"tag\": \"v1\", \
         \"new_sqlite_classes\": [\"Counter\"] }]",
    );
    let v1 = r#"{ "tag": "v1", "new_sqlite_classes": ["Counter"] }"#;
    check(
        "Room",
        v1,
        "which no migration makes; add { \"tag\": \"v2\", \"new_sqlite_classes\": [\"Room\"] } to \
         \"migrations\"",
    );
    check(
        "Countr",
        v1,
        "which no migration makes; migration \"v1\" makes \"Counter\": is that meant? Then write \
         \"class_name\": \"Counter\"",
    );
    check(
        "COUNTER",
        v1,
        "but that is a binding's name; write the class as \"main\" exports it, \"class_name\": \
         \"Counter\"",
    );
    check(
        "Counter",
        r#"{ "tag": "v1", "new_sqlite_classes": ["Counter", "Room"] }, { "tag": "v2", "deleted_classes": ["Counter"] }"#,
        "which migration \"v2\" deletes; remove the binding, point the binding at another class, \
         or make it anew with new_sqlite_classes in a later migration",
    );
    check(
        "Counter",
        r#"{ "tag": "v1", "new_sqlite_classes": ["Counter"] }, { "tag": "v2", "renamed_classes": [{ "from": "Counter", "to": "Tally" }] }"#,
        "which migration \"v2\" renames to \"Tally\"; write \"class_name\": \"Tally\"",
    );
    check_refused(
        &bound("Counter", &format!("{v1},\n{v1}")),
        "wrangler.jsonc:6:1: migration \"v1\": there is another migration with this tag, \
         wrangler.jsonc:5:16; give this one a tag of its own",
    );
    let script = bound("Counter", v1).replace(
        "\"Counter\" }]",
        "\"Counter\", \"script_name\": \"other\" }]",
    );
    let refused = read(&script).unwrap_err();
    assert_eq!(
        refused,
        "wrangler.jsonc:4:62: the binding \"COUNTER\" is for class \"Counter\" of another Worker, \
         \"other\", and abide serves one Worker; export Counter from \"main\" here and remove \
         \"script_name\""
    );
}

#[test]
fn classes_keep_the_storage_that_they_were_made_with() {
    let text = with("").replace(
        MADE,
        r#""migrations": [
          { "tag": "v1", "new_classes": ["Old", "Gone"] },
          { "tag": "v2", "renamed_classes": [{ "from": "Old", "to": "Counter" }] },
          { "tag": "v3", "deleted_classes": ["Gone"] },
          { "tag": "v4", "transferred_classes": [{ "from": "A", "from_script": "b", "to": "Moved" }] },
        ],"#,
    );
    let config = read(&text).unwrap();
    let expected = json!([{ "name": "Counter", "sql": false }, { "name": "Moved", "sql": true }]);
    assert_eq!(settings(&config)["classes"], expected);
    let [moved, old] = config.notes.as_slice() else {
        panic!("{:?}", config.notes)
    };
    assert!(
        moved.contains("class \"Moved\" comes from another Worker"),
        "{moved}"
    );
    assert!(old.contains("class \"Counter\" is made by new_classes") && old.contains("10097"));
}

#[test]
fn what_abide_lacks_is_told_with_its_place() {
    let config = read(&with(
        r#""kv_namespaces": [{ "binding": "CACHE", "id": "1" }],
"queues": { "producers": [{ "binding": "JOBS", "queue": "jobs" }], "consumers": [{ "queue": "jobs" }] },
"ai": { "binding": "AI" },
"triggers": { "crons": ["* * * * *"] },
"compatability_date": "2026-01-01","#,
    ))
    .unwrap();
    let expected = [
        "wrangler.jsonc:5:19: the binding \"CACHE\" leads to a KV namespace (kv_namespaces), which \
         abide does not have; code that uses it gets an error",
        "wrangler.jsonc:6:27: the binding \"JOBS\" leads to a queue (queues), which abide does not \
         have; code that uses it gets an error",
        "wrangler.jsonc:7:7: the binding \"AI\" leads to Workers AI (ai), which abide does not \
         have; code that uses it gets an error",
        "wrangler.jsonc:8:24: \"triggers\": no cron runs; let an object set its alarm",
        "wrangler.jsonc:6:81: \"queues.consumers\": no queue brings messages",
        "wrangler.jsonc:9:1: nothing is known of a setting \"compatability_date\"; is \
         \"compatibility_date\" meant?",
    ];
    assert_eq!(config.notes, expected);
    let missing = &settings(&config)["bindings"]["CACHE"]["missing"];
    assert_eq!(missing["place"], "wrangler.jsonc:5:19");
}

#[test]
fn an_older_date_is_told_of_where_it_matters() {
    let notes = |rest: &str| read(&with(rest)).unwrap().notes;
    assert_eq!(notes(r#""compatibility_date": "2026-11-01""#), [""; 0]);
    let old = notes(r#""compatibility_date": "2024-04-02", "compatibility_flags": ["rpc"]"#);
    assert!(old[0].contains("not as of 2024-04-02") && old[0].contains("2025-05-05: WeakRef"));
    assert!(!old[0].contains("2024-04-03"), "the flag asks for it");
}

#[test]
fn what_is_of_another_kind_than_its_setting_is_refused() {
    for (setting, expected) in [
        (r#""env": []"#, r#"8: "env" must be an object, not a list"#),
        (
            r#""env": { "p": 5 }"#,
            r#"15: "env.p" must be an object, not a number"#,
        ),
        (
            r#""kv_namespaces": 5"#,
            r#"18: "kv_namespaces" must be a list, not a number"#,
        ),
        (
            r#""kv_namespaces": [{}]"#,
            r#"19: "binding" is missing here; write for example { "binding": "NAME" }"#,
        ),
        (
            r#""ai": { "binding": 5 }"#,
            r#"20: "binding" must be a text, not a number"#,
        ),
    ] {
        check_refused(&with(setting), &format!("wrangler.jsonc:5:{expected}"));
    }
}

#[test]
fn a_date_that_is_none_is_refused_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.ts"), "").unwrap();
    for (developing, date) in [(true, "soon"), (false, "yesterday"), (false, "2026-02-29")] {
        let asked = Asked {
            environment: None,
            developing,
            process: &|_| None,
        };
        let text = with(&format!("\"compatibility_date\": {date:?}"));
        let refused = parse(&text, Path::new("wrangler.jsonc"), folder.path(), &asked);
        let expected = format!(
            "wrangler.jsonc:5:23: \"compatibility_date\": {date:?} is no date; write YYYY-MM-DD"
        );
        assert_eq!(refused.unwrap_err().to_string(), expected);
    }
}

#[test]
fn what_fails_only_when_it_is_used_has_a_place() {
    let config = read(&with("")).unwrap();
    let main = &worker(&config).main_written;
    assert_eq!(main.told("x"), "wrangler.jsonc:2:9: x");
    let built = read(&with(r#""build": { "command": "make" },"#)).unwrap();
    let own_build = worker(&built).own_build.as_ref().unwrap();
    assert_eq!(own_build.told("x"), "wrangler.jsonc:5:10: x");
    let end = config.whereabouts.end.told("x");
    assert_eq!(end, "wrangler.jsonc:4:15: x");
    assert_eq!(config.whereabouts.data.told("x"), "x");
}

#[test]
fn a_build_that_cannot_run_is_refused() {
    let refused = |rest: &str| read(&with(rest)).unwrap_err();
    let check = |rest: &str, place: &str, part: &str| {
        let message = refused(rest);
        assert!(message.starts_with(place), "{message}");
        assert!(message.contains(part), "{message}");
    };
    check(
        r#""build": "make""#,
        "wrangler.jsonc:5:10: ",
        "\"build\" must be an object",
    );
    check(
        r#""build": { "command": 3 }"#,
        "wrangler.jsonc:5:23: ",
        "\"build.command\" must be a text",
    );
    let cwd = r#""build": { "command": "make", "cwd": "nowhere" }"#;
    check(cwd, "wrangler.jsonc:5:38: ", "nowhere");
    check(
        r#""tsconfig": "no.json""#,
        "wrangler.jsonc:5:13: ",
        "no.json",
    );
}
