//! Does the server say what is wrong before it serves anything?

use std::path::Path;
use std::process::Command;

use rand::{RngExt, SeedableRng};

use promises::{Development, Site, smallest};

/// A class as most mistakes are made beside it.
fn class() -> String {
    format!("[classes.fixture]\ncomponent = {:?}\n", promises::fixture())
}

/// Checks that a configuration is refused with its file, this line, and these words.
#[track_caller]
fn check(config: &str, line: usize, words: &[&str]) {
    let refusal = Site::configured(config).refusal();
    refusal.names(&[&format!("abide.toml:{line}:")]);
    refusal.names(words);
}

#[test]
fn unknown_keys_are_named_with_file_and_line_and_those_that_exist() {
    check(
        &format!("lisen = \"127.0.0.1:0\"\n{}", class()),
        1,
        &["lisen", "listen"],
    );
    check(&format!("{}limit = 3\n", class()), 3, &["limit", "limits"]);
    check(
        &format!("{}[limits]\n\ncpu_max = 3\n", class()),
        5,
        &["cpu_max", "cpu_ms_max"],
    );
    check(
        &format!("{}[server]\nport = 3\n", class()),
        4,
        &["port", "header_bytes_max"],
    );
    check(
        &format!("{}[classes.fixture.limits]\nmemory = 3\n", class()),
        4,
        &["memory", "memory_bytes_max"],
    );
}

#[test]
fn values_of_the_wrong_type_are_named() {
    check(
        &format!("listen = 8787\n{}", class()),
        1,
        &["listen", "8787", "a text in quotation marks"],
    );
    check(
        &format!("{}[limits]\ncpu_ms_max = \"long\"\n", class()),
        4,
        &["cpu_ms_max", "long", "a whole number of milliseconds"],
    );
    check(
        &format!("show_errors = \"yes\"\n{}", class()),
        1,
        &["show_errors", "yes", "true or false"],
    );
    check("classes = 3\n", 1, &["classes", "3"]);
}

/// A pipe that nobody writes to, and what never ends, keep nobody waiting.
#[test]
fn a_configuration_that_is_no_file_is_named() {
    let dev = Development::default();
    for pipe in ["abide.toml", "wrangler.jsonc", "code.wasm"] {
        let made = Command::new("mkfifo").arg(dev.path(pipe)).status();
        assert!(made.expect("mkfifo runs").success());
    }
    dev.write(
        "a.toml",
        "listen = \"127.0.0.1:0\"\n[classes.a]\ncomponent = \"code.wasm\"\n",
    );
    let serve = &["serve", "--config"][..];
    let develop = &["dev"][..];
    let fork = &["objects", "fork", "a", "b", "c", "--config"][..];
    for (command, path, words) in [
        (serve, "abide.toml", "it is a pipe, and no regular file"),
        (serve, "wrangler.jsonc", "it is a pipe, and no regular file"),
        (serve, "a.toml", "a.toml:3: "),
        (serve, "a.toml", "it is a pipe, and no regular file"),
        (serve, "/dev/zero", "it is a device, and no regular file"),
        (serve, "/", "is a folder; name the abide.toml"),
        (develop, "abide.toml", "it is a pipe, and no regular file"),
        (develop, "/dev/zero", "it is a device, and no regular file"),
        (fork, "abide.toml", "it is a pipe, and no regular file"),
        (fork, "/", "it is a folder, and no regular file"),
    ] {
        dev.refusal(command, path).names(&[path, words]);
    }
}

#[test]
fn values_out_of_range_are_named_with_their_range() {
    for (value, max) in [("0", "300000"), ("-5", "300000"), ("99999999999", "300000")] {
        check(
            &format!("{}[limits]\ncpu_ms_max = {value}\n", class()),
            4,
            &["cpu_ms_max", value, max],
        );
    }
    check(
        &format!("{}[limits]\nmemory_bytes_max = 10\n", class()),
        4,
        &["memory_bytes_max", "10"],
    );
    check(
        &format!("{}[server]\nheader_bytes_max = 1\n", class()),
        4,
        &["header_bytes_max"],
    );
}

/// With so little the server would refuse everything.
#[test]
fn memory_that_the_process_itself_has_used_up_is_refused() {
    let settings = "[server]\nprocess_memory_bytes_max = 2000000";
    Site::fixture(settings).refusal().names(&[
        "process_memory_bytes_max = 2000000",
        "before it serves anything",
    ]);
}

#[test]
fn text_that_is_no_toml_is_named() {
    check(&format!("{}this is no toml\n", class()), 3, &[]);
    check("listen = [", 1, &[]);
    check("\n\n[classes.fixture\n", 3, &[]);
    let site = Site::configured("");
    std::fs::write(site.config(), b"\nlisten = \"\xff\xfe\"")
        .expect("the configuration can be written");
    site.refusal().names(&["abide.toml:2:", "UTF-8"]);
}

#[test]
fn a_class_that_makes_no_sense_is_named() {
    check("[classes.a]\n", 1, &["a", "component", "source"]);
    check(
        "[classes.a]\ncomponent = \"x\"\nsource = \"y\"\n",
        1,
        &["component", "source"],
    );
    check("[classes.\"a/b\"]\ncomponent = \"x\"\n", 1, &["a/b"]);
    check("[classes.\"..\"]\ncomponent = \"x\"\n", 1, &[".."]);
    check("listen = \"127.0.0.1:0\"\n", 1, &["no class", "[classes."]);
}

#[test]
fn a_route_that_makes_no_sense_is_named() {
    let route = |path: &str, class_name: &str| {
        format!(
            "{}\n[[routes]]\npath = {path:?}\nclass = {class_name:?}\n",
            class()
        )
    };
    let named = |config: &str, words: &[&str]| {
        let refusal = Site::configured(config).refusal();
        refusal.names(&["abide.toml:"]);
        refusal.names(words);
    };
    named(&route("/{name}", "nobody"), &["nobody", "/{name}"]);
    named(&route("/fixed", "fixture"), &["/fixed", "{name}"]);
    named(&route("/{name", "fixture"), &["/{name"]);
    named(&route("name/{name}", "fixture"), &["name/{name}"]);
    named(
        &format!(
            "{}[[routes]]\npath = \"/{{id}}\"\nclass = \"fixture\"\n",
            route("/{name}", "fixture")
        ),
        &["/{id}"],
    );
}

#[test]
fn a_route_that_no_request_can_match_is_refused() {
    let route = |host: &str, path: &str| {
        let host = match host {
            "" => String::new(),
            host => format!("host = {host:?}\n"),
        };
        format!(
            "{}[[routes]]\npath = {path:?}\n{host}class = \"fixture\"\n",
            class()
        )
    };
    for (host, words) in [
        ("h.test:80", "port"),
        ("http://h.test", "scheme"),
        ("*.test", "wildcards"),
    ] {
        check(
            &route(host, "/{name}"),
            4,
            &[host, words, "chat.example.com"],
        );
    }
    for (path, words) in [
        ("/r/{name}?x=1", "query"),
        ("/r/{name}#x", "'#'"),
        ("/ä/{name}", "%C3%A4"),
        ("/x/{{name}}", "brace"),
        ("/{name}/{name}", "more than once"),
        ("/{x}/{name}/{x}", "two parameters"),
        ("/../{name}", "resolve"),
    ] {
        check(&route("", path), 4, &[path, words]);
    }
}

#[test]
fn classes_that_differ_only_in_case_are_refused() {
    check(
        &format!("{}[classes.Fixture]\ncomponent = \"x\"\n", class()),
        1,
        &["Fixture", "differ only in case"],
    );
}

#[test]
fn a_listen_address_that_makes_no_sense_is_named_with_its_line() {
    for listen in ["nonsense", "127.0.0.1:99999", "::1:0", "http://h:80", ""] {
        check(
            &format!("\nlisten = {listen:?}\n{}", class()),
            2,
            &[&format!("{listen:?}"), "HOST:PORT"],
        );
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let site = Site::configured("");
    std::fs::remove_file(site.config()).expect("it was there");
    site.refusal().names(&["abide.toml", "cannot read"]);
    std::fs::create_dir(site.config()).expect("a folder in its place");
    site.refusal().names(&["abide.toml"]);
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    let site = Site::configured(&class());
    let with = |arguments: &[&str]| {
        site.refusal_with(|command| {
            command.args(arguments);
        })
    };
    with(&["--nonsense"]).names(&["--nonsense"]);
    with(&["--log-format", "yaml"]).names(&["yaml", "json"]);
}

/// The same data for all of these: whatever goes wrong, nothing is left behind.
fn check_component(content: Option<&[u8]>, words: &[&str]) {
    let site = Site::configured("[classes.a]\ncomponent = \"a.wasm\"\n");
    if let Some(content) = content {
        std::fs::write(site.folder().join("a.wasm"), content)
            .expect("the component can be written");
    }
    let refusal = site.refusal();
    refusal.names(&["a.wasm", "\"a\""]);
    refusal.names(words);
}

#[test]
fn a_component_that_is_none_is_refused() {
    check_component(None, &["No such file"]);
    check_component(Some(b""), &["not a WebAssembly component", "abide build"]);
    check_component(
        Some(b"#!/bin/sh\necho hello\n"),
        &["not a WebAssembly component", "abide build"],
    );
    check_component(Some(b"\0asm"), &[]);
    check_component(Some(b"\0asm\x01\0\0\0"), &["module", "component"]);
    check_component(
        Some(b"\0asm\x0d\0\x01\0\xff\xff\xff"),
        &["not a valid component"],
    );
    let whole = std::fs::read(promises::fixture()).expect("the fixture");
    check_component(Some(&whole[..whole.len() / 2]), &["not a valid component"]);
}

#[test]
fn a_component_of_another_world_is_refused() {
    // The component that has nothing in it.
    check_component(
        Some(b"\0asm\x0d\0\x01\0"),
        &["another world", "fetch-handler"],
    );
    // (component (import "somebody:else/needs@1.0.0" (instance)))
    let mut imports = b"\0asm\x0d\0\x01\0\x07\x04\x01\x42\0\x0a".to_vec();
    let name = b"somebody:else/needs@1.0.0";
    imports.push(name.len() as u8 + 5);
    imports.extend([1, 0, name.len() as u8]);
    imports.extend(name);
    imports.extend([5, 0]);
    check_component(Some(&imports), &["a.wasm"]);
}

/// A component that is refused whatever it is asked.
fn check_parts(parts: &smallest::Parts<'_>, words: &[&str]) {
    check_component(Some(&smallest::component(parts)), words);
}

#[test]
fn a_component_whose_exports_have_other_types_is_refused() {
    let start = smallest::Parts {
        code: "(func (export \"start\") (param i32) (result i32) (i32.const 0))",
        around: r#"(alias core export $code "start" (core func $start))
            (func $start (param "x" u32) (result u32) (canon lift (core func $start)))
            (instance $life (export "start" (func $start)))
            (export "durable:object/lifecycle@0.1.0" (instance $life))"#,
        ..Default::default()
    };
    check_parts(&start, &["another world", "lifecycle", "start", "types"]);
    let fetch = smallest::Parts {
        more: (r#"(param "more" u32)"#, "(param i32)"),
        ..Default::default()
    };
    check_parts(
        &fetch,
        &["another world", "fetch-handler", "fetch", "types"],
    );
    let empty = smallest::Parts {
        around: r#"(instance $alarm)
            (export "durable:object/alarm-handler@0.1.0" (instance $alarm))"#,
        ..Default::default()
    };
    check_parts(&empty, &["alarm-handler", "no function \"alarm\""]);
    let elsewhere = smallest::Parts {
        export: "durable:object/fetch-handler@7.0.0",
        ..Default::default()
    };
    check_parts(&elsewhere, &["another world", "no handler"]);
}

#[test]
fn a_component_that_needs_more_than_its_limits_is_refused() {
    // 128 MiB are 2,048 pages.
    let large = smallest::Parts {
        memory_pages: 2049,
        ..Default::default()
    };
    check_parts(&large, &["memory_bytes_max = 134217728", "134283264"]);
    let several = smallest::Parts {
        around: "(core module $more (memory 1500)) (core instance (instantiate $more)) \
                 (core instance (instantiate $more))",
        ..Default::default()
    };
    check_parts(&several, &["memory_bytes_max"]);
    let tables = smallest::Parts {
        code: "(table 100000000 funcref)",
        ..Default::default()
    };
    check_parts(&tables, &["memory_bytes_max", "100000000 entries"]);
}

#[test]
fn no_bytes_of_a_component_make_it_panic() {
    let whole = smallest::answering("hello");
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    // Starting a server is what takes time; many classes are refused at once no
    // faster than one.
    for _ in 0..40 {
        let mut bytes = whole.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(8..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = random.random(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, random.random()),
            }
        }
        // It may still be in order; then the class beside it, which is not there, is
        // what is refused.
        let site = Site::configured(
            "[classes.a]\ncomponent = \"a.wasm\"\n[classes.b]\ncomponent = \"no.wasm\"\n",
        );
        std::fs::write(site.folder().join("a.wasm"), bytes).expect("it can be written");
        site.refusal().names(&[".wasm"]);
    }
}

#[test]
fn a_cached_component_that_was_swapped_or_damaged_is_compiled_anew() {
    let site = Site::configured("[classes.a]\ncomponent = \"a.wasm\"\n");
    let cache = site.folder().join("cache");
    let write = |text| {
        let bytes = smallest::answering(text);
        std::fs::write(site.folder().join("a.wasm"), bytes).expect("it can be written");
    };
    let said = |text: &str| {
        let abide = site.serve_with(|command| {
            command.env("ABIDE_CACHE", &cache);
        });
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        assert_eq!(runtime.block_on(abide.get("/a/x")).ok(), text);
        runtime.block_on(abide.says("serving http"));
        abide.log()
    };
    let kept = || {
        let files = std::fs::read_dir(cache.join("components")).expect("the cache");
        let mut files: Vec<_> = files.flatten().map(|file| file.path()).collect();
        files.sort();
        files
    };
    write("one");
    assert!(said("one").contains("compiling"));
    let one = kept().pop().expect("it was kept");
    assert!(!said("one").contains("compiling"));
    write("two");
    said("two");
    let two = kept().into_iter().find(|file| *file != one).expect("kept");

    std::fs::copy(&one, &two).expect("swapped");
    assert!(said("two").contains("of no use"));
    let mut bytes = std::fs::read(&two).expect("kept again");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&two, bytes).expect("damaged");
    assert!(said("two").contains("of no use"));
    assert!(!said("two").contains("of no use"));
}

#[test]
fn a_configuration_is_found_where_one_is() {
    let site = Site::configured("");
    let refusal = site.refusal_with(|command| {
        let folder = site.folder().to_owned();
        *command = Command::new(promises::abide());
        command.arg("serve").current_dir(folder);
        command.env("ABIDE_CACHE", "");
    });
    refusal.names(&["abide.toml:1", "no class"]);
}

#[test]
fn help_names_what_one_needs_to_know() {
    let abide = |arguments: &[&str]| {
        let mut command = Command::new(promises::abide());
        let output = command.args(arguments).output().expect("abide runs");
        [output.stdout, output.stderr].concat()
    };
    let bare = String::from_utf8(abide(&[])).expect("text");
    for word in [
        "ABIDE_CACHE",
        "RUST_LOG",
        "abide dev",
        "127.0.0.1:8787",
        "~/.cache/abide",
    ] {
        assert!(bare.contains(word), "{bare}\nlacks {word}");
    }
    let serve = String::from_utf8(abide(&["serve", "--help"])).expect("text");
    for word in ["abide.toml", "127.0.0.1:8787", "abide-data"] {
        assert!(serve.contains(word), "{serve}\nlacks {word}");
    }
}

#[test]
fn an_address_that_cannot_be_had_is_named_with_the_way_out() {
    let site = Site::configured(&class());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken
        .local_addr()
        .map(|address| (taken, address.to_string()))
        .expect("an address");
    for address in [
        taken.1.as_str(),
        "nonsense",
        "127.0.0.1:99999",
        "256.0.0.1:80",
        "127.0.0.1",
    ] {
        let refusal = site.refusal_with(|command| {
            // The last one counts.
            let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            let program = command.get_program().to_owned();
            let environment: Vec<_> = command
                .get_envs()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect();
            *command = Command::new(program);
            command.envs(environment);
            command.args(
                arguments
                    .into_iter()
                    .map(|argument| match argument.to_str() {
                        Some("127.0.0.1:0") => address.into(),
                        _ => argument,
                    }),
            );
        });
        refusal.names(&[address, "--listen"]);
    }
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named_with_the_way_out() {
    let site = Site::configured(&class());
    let file = site.folder().join("a-file");
    std::fs::write(&file, "in the way").expect("a file");
    for data in [
        file.as_path(),
        &file.join("below"),
        Path::new("/proc/nowhere"),
    ] {
        let site = site.with_data(data);
        site.refusal()
            .names(&[&data.display().to_string(), "--data"]);
    }
    assert_eq!(
        std::fs::read_to_string(file).expect("the file"),
        "in the way"
    );
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named_with_the_way_out() {
    // Writing to /sys is forbidden even to root.
    let site = Site::configured(&class()).with_data(Path::new("/sys/kernel"));
    site.refusal().names(&["/sys/kernel", "--data"]);
}

/// Checks that a server that has nothing but its configuration refuses it with this line
/// and these words.
#[track_caller]
fn check_used(site: &Site, line: usize, words: &[&str]) {
    let refusal = site.refusal_with(|command| {
        let folder = site.folder().to_owned();
        *command = Command::new(promises::abide());
        command.arg("serve").current_dir(folder);
        command.env("ABIDE_CACHE", promises::cache());
    });
    refusal.names(&[&format!("abide: abide.toml:{line}: ")]);
    refusal.names(words);
}

#[test]
fn what_fails_only_when_it_is_used_is_named_with_its_line() {
    let check = |config: &str, line: usize, words: &[&str]| {
        let site = Site::configured(&format!("listen = \"127.0.0.1:0\"\n{config}\n"));
        let folder = site.folder();
        let hall = smallest::Parts {
            around: r#"(core module (@custom "durable-object:classes" "hall\n"))"#,
            ..Default::default()
        };
        let large = smallest::Parts {
            memory_pages: 100,
            ..Default::default()
        };
        std::fs::write(folder.join("hall.wasm"), smallest::component(&hall)).expect("a file");
        std::fs::write(folder.join("large.wasm"), smallest::component(&large)).expect("a file");
        std::fs::write(folder.join("file"), "no object").expect("a file");
        check_used(&site, line, words);
    };
    let class = "[classes.hall]\ncomponent = \"hall.wasm\"";
    let component =
        |file: &str| format!("[classes.a]\nhibernate = \"keep-memory\"\ncomponent = {file:?}");
    check(
        &component("no.wasm"),
        4,
        &["class \"a\"", "no.wasm", "No such file"],
    );
    check(
        &component("file"),
        4,
        &["file is not a WebAssembly component"],
    );
    check(
        &component("hall.wasm"),
        4,
        &["has no class \"a\", only hall"],
    );
    let little = format!(
        "{}\nlimits = {{ memory_bytes_max = 1048576 }}",
        component("large.wasm")
    );
    check(&little, 4, &["memory_bytes_max = 1048576"]);
    check(
        "[classes.a]\nsource = \"nowhere\"",
        3,
        &["class \"a\"", "nowhere"],
    );
    let gateway = format!("{class}\n[gateway]\ncomponent = \"no.wasm\"");
    check(&gateway, 5, &["the gateway", "no.wasm"]);

    let before = |setting: &str| format!("{setting}\n{class}");
    check(&before("data = \"file\""), 2, &["file is not a directory"]);
    check(
        &before("data = \"file/below\""),
        2,
        &["cannot create", "file/below"],
    );
    let server = |setting: &str| before(&format!("[server]\n{setting}"));
    check(
        &server("process_memory_bytes_max = 2000000"),
        3,
        &["it serves anything"],
    );

    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("an address");
    let site = Site::configured(&format!("listen = \"{taken}\"\n{class}\n"));
    check_used(&site, 1, &[&taken.to_string(), "--listen"]);
}
