//! Does `abide dev` serve what is written now, whatever happens to the files?

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use promises::{Development, Protocol, counter, smallest, until, whole};

use crate::answers;

#[tokio::test]
async fn a_component_file_may_be_replaced_in_any_way() {
    let dev = Development::default();
    let put = |path: &str, text: &str| dev.write(path, smallest::answering(text));
    put("c/a.wasm", "one");
    put("linked/1/b.wasm", "one");
    symlink("1", dev.path("linked/now")).expect("a link");
    dev.write(
        "abide.toml",
        "[classes.a]\ncomponent = \"c/a.wasm\"\n[classes.b]\ncomponent = \"linked/now/b.wasm\"\n",
    );
    let abide = dev.dev("abide.toml");
    answers(&abide, "/a/x", "one").await;

    put("c/a.wasm", "written over");
    answers(&abide, "/a/x", "written over").await;
    for text in ["renamed over", "renamed over again", "and again"] {
        put("c/new", text);
        dev.rename("c/new", "c/a.wasm");
        answers(&abide, "/a/x", text).await;
    }
    dev.remove("c/a.wasm");
    let missing = "the older code answers while the file is missing";
    until(missing, async || {
        let answer = abide.get("/a/x").await;
        assert_eq!(answer.ok(), "and again");
        answer.header("abide-build") == Some("failed")
    })
    .await;
    put("c/a.wasm", "put back");
    answers(&abide, "/a/x", "put back").await;
    assert_eq!(abide.get("/a/x").await.header("abide-build"), None);
    put("other/a.wasm", "another folder");
    dev.rename("c", "old");
    dev.rename("other", "c");
    answers(&abide, "/a/x", "another folder").await;
    put("c/new", "in the new folder");
    dev.rename("c/new", "c/a.wasm");
    answers(&abide, "/a/x", "in the new folder").await;

    put("linked/2/b.wasm", "two");
    symlink("2", dev.path("linked/next")).expect("a link");
    dev.rename("linked/next", "linked/now");
    answers(&abide, "/b/x", "two").await;
}

#[tokio::test]
async fn a_source_folder_may_be_edited_and_replaced_in_any_way() {
    let dev = Development::answering("one");
    let abide = dev.dev("o");
    answers(&abide, "/counter/x", "one").await;
    let builds = dev.builds();

    dev.source("o", "counter", "edited");
    answers(&abide, "/counter/x", "edited").await;
    dev.write("o/new", smallest::answering("renamed over"));
    dev.rename("o/new", "o/object.wasm");
    answers(&abide, "/counter/x", "renamed over").await;
    dev.source("copy", "counter", "another folder");
    dev.rename("o", "old");
    dev.rename("copy", "o");
    answers(&abide, "/counter/x", "another folder").await;
    // The old folder's files are no longer this object's.
    dev.source("old", "counter", "the wrong one");
    dev.source("o", "counter", "edited after that");
    answers(&abide, "/counter/x", "edited after that").await;
    assert!(dev.builds() > builds);

    // What is not source builds nothing.
    let builds = dev.builds();
    for result in [
        "o/target/x",
        "o/abide-data/x",
        "o/.git/x",
        "o/x.log",
        "o/.x.swp",
    ] {
        dev.write(result, "a result");
    }
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(dev.builds(), builds);
}

#[tokio::test]
async fn a_build_that_fails_is_shown_and_the_older_code_answers() {
    let dev = Development::answering("one");
    let abide = dev.dev("o");
    dev.write("o/broken", "by a test");
    until("the failure shows", async || {
        let answer = abide.get("/counter/x").await;
        assert_eq!(answer.ok(), "one");
        answer.header("abide-build") == Some("failed")
    })
    .await;
    abide.says("this is broken: by a test").await;
    abide.says("the older code answers").await;

    dev.source("o", "counter", "mended");
    dev.remove("o/broken");
    answers(&abide, "/counter/x", "mended").await;
    assert_eq!(abide.get("/counter/x").await.header("abide-build"), None);
}

#[tokio::test]
async fn a_first_build_that_fails_is_waited_for() {
    let dev = Development::answering("at last");
    dev.write("o/broken", "from the start");
    let abide = dev.dev("o");
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = abide
            .ask(protocol, "POST", "/counter/x", whole("a body"))
            .await
            .expect("an answer");
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("abide-build"), Some("failed"));
        assert!(
            answer.text().contains("this is broken: from the start"),
            "{answer:?}"
        );
    }
    dev.remove("o/broken");
    answers(&abide, "/counter/x", "at last").await;
    let abide = {
        dev.write("o/Cargo.toml", "[package");
        dev.write("o/broken", "with its manifest");
        drop(abide);
        dev.dev("o")
    };
    assert_eq!(abide.get("/o/x").await.status, 503);
    dev.write("o/Cargo.toml", "[package]\nname = \"counter\"\n");
    dev.remove("o/broken");
    answers(&abide, "/counter/x", "at last").await;
}

#[tokio::test]
async fn the_configuration_is_read_again() {
    let dev = Development::default();
    for name in ["a", "b"] {
        dev.write(&format!("{name}.wasm"), smallest::answering(name));
    }
    let class = |name: &str| format!("[classes.{name}]\ncomponent = \"{name}.wasm\"\n");
    dev.write("abide.toml", class("a"));
    let abide = dev.dev(".");
    answers(&abide, "/a/x", "a").await;
    assert_eq!(abide.get("/b/x").await.status, 404);

    dev.write("abide.toml", class("a") + &class("b"));
    answers(&abide, "/b/x", "b").await;
    assert_eq!(abide.get("/a/x").await.ok(), "a");

    dev.write("abide.toml", "nonsense");
    until("the mistake shows", async || {
        let answer = abide.get("/b/x").await;
        assert_eq!(answer.ok(), "b");
        answer.header("abide-build") == Some("failed")
    })
    .await;
    abide.says("abide.toml:1").await;

    let route = "[[routes]]\npath = \"/{name}\"\nclass = \"b\"\n";
    dev.write(
        "new.toml",
        class("b") + route + "[limits]\nmemory_bytes_max = 1048576\n",
    );
    dev.rename("new.toml", "abide.toml");
    answers(&abide, "/anything", "b").await;
    assert_eq!(abide.get("/a/x").await.status, 404);
    assert_eq!(abide.get("/b/x").await.header("abide-build"), None);

    // Limits that the code does not fit into are said, and it goes on.
    let parts = smallest::Parts {
        memory_pages: 17,
        ..Default::default()
    };
    dev.write("b.wasm", smallest::component(&parts));
    until("the limit shows", async || {
        abide.get("/b/x").await.header("abide-build") == Some("failed")
    })
    .await;
    abide.says("memory_bytes_max").await;
    dev.write("abide.toml", class("b"));
    answers(&abide, "/b/x", "hello").await;

    dev.rename("abide.toml", "away.toml");
    abide
        .says("abide.toml is gone, which says what is served; put it back")
        .await;
    assert_eq!(abide.get("/b/x").await.ok(), "hello");
    dev.write("b.wasm", smallest::answering("meanwhile"));
    dev.rename("away.toml", "abide.toml");
    answers(&abide, "/b/x", "meanwhile").await;
}

#[tokio::test]
async fn another_address_and_other_data_are_taken_while_it_runs() {
    let dev = Development::default();
    dev.write("a.wasm", smallest::answering("a"));
    let config = |listen: &str, data: &str| {
        format!("listen = {listen:?}\ndata = {data:?}\n[classes.a]\ncomponent = \"a.wasm\"\n")
    };
    dev.write("abide.toml", config("127.0.0.1:0", "one"));
    // Without --listen, which would come before the configuration.
    let mut command = dev.command(&["--cache", "cache", "dev"], "abide.toml");
    let abide = promises::start(command.current_dir(dev.path(".")));
    answers(&abide, "/a/x", "a").await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address").to_string();
    // In use: what was served is served.
    dev.write("abide.toml", config(&address, "two"));
    abide.says("cannot listen on").await;
    assert_eq!(abide.get("/a/x").await.ok(), "a");
    drop(free);
    dev.write("abide.toml", config(&address, "two") + "\n");
    until("the other address and data are in use", async || {
        std::net::TcpStream::connect(&address).is_ok() && dev.path("two/abide.lock").exists()
    })
    .await;
}

#[tokio::test]
async fn every_class_of_a_source_folder_is_served() {
    let dev = Development::answering("either");
    let abide = dev.dev("o");
    answers(&abide, "/counter/x", "either").await;
    let declaring = |names: &str| {
        let code = format!("(@custom \"durable-object:classes\" {names:?})");
        smallest::component(&smallest::Parts {
            text: "either",
            code: &code,
            ..Default::default()
        })
    };
    dev.write("o/object.wasm", declaring("alpha\nbeta\n"));
    answers(&abide, "/alpha/x", "either").await;
    assert_eq!(abide.get("/beta/x").await.ok(), "either");
    assert_eq!(abide.get("/counter/x").await.status, 404);
    // A failure does not make it forget them.
    dev.write("o/broken", "");
    until("the failure shows", async || {
        abide.get("/beta/x").await.header("abide-build") == Some("failed")
    })
    .await;
    assert_eq!(abide.get("/alpha/x").await.ok(), "either");
    drop(abide);

    let abide = {
        dev.remove("o/broken");
        dev.dev("o")
    };
    assert_eq!(abide.get("/alpha/x").await.ok(), "either");
    drop(abide);
    dev.write("abide.toml", "[classes.gamma]\nsource = \"o\"\n");
    let refusal = dev.refusal(
        &["serve", "--listen", "127.0.0.1:0", "--config"],
        "abide.toml",
    );
    refusal.names(&["gamma", "alpha, beta"]);
}

#[tokio::test]
async fn what_exports_nothing_is_said() {
    let dev = Development::answering("x");
    dev.write("o/object.wasm", b"\0asm\x0d\0\x01\0");
    let refusal = dev.refusal(&["build"], "o");
    refusal.names(&["durable_object::export!", "no handler"]);
    assert!(!dev.path("counter.wasm").exists());
    let abide = dev.dev("o");
    let answer = abide.get("/counter/x").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.text().contains("durable_object::export!"),
        "{answer:?}"
    );
}

/// Does a process run, other than as one that nobody waited for yet?
fn runs(process: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat"));
    state.is_ok_and(|state| !state.contains(") Z"))
}

async fn slow_compiler(dev: &Development) -> String {
    let process = || fs::read_to_string(dev.path("cargo.log.slow")).unwrap_or_default();
    until("the compiler runs", async || {
        process().ends_with('\n') && runs(process().trim())
    })
    .await;
    process().trim().to_owned()
}

#[tokio::test]
async fn a_signal_ends_a_build_with_all_that_it_started() {
    for (command, signal) in [
        (["dev"], libc::SIGINT),
        (["dev"], libc::SIGTERM),
        (["build"], libc::SIGINT),
    ] {
        let dev = Development::answering("x");
        dev.write("o/slow", "");
        let mut abide = dev.command(&command, "o").spawn().expect("abide starts");
        let compiler = slow_compiler(&dev).await;
        let begin = Instant::now();
        assert_eq!(unsafe { libc::kill(abide.id() as i32, signal) }, 0);
        let status = abide.wait().expect("it ends");
        assert!(begin.elapsed() < Duration::from_secs(10));
        until("the compiler has ended", async || !runs(&compiler)).await;
        match command {
            ["build"] => assert_eq!(status.code(), Some(130)),
            _ => assert!(status.success(), "{status:?}"),
        }
    }
    // While it serves.
    let dev = Development::answering("x");
    let abide = dev.dev("o");
    dev.write("o/slow", "");
    let compiler = slow_compiler(&dev).await;
    assert!(abide.stop().await.success());
    until("the compiler has ended", async || !runs(&compiler)).await;
}

#[tokio::test]
async fn a_build_of_older_source_is_given_up_at_once() {
    let dev = Development::answering("one");
    dev.write("o/slow", "");
    // The first, and one while it serves.
    let starting = dev.clone();
    let starting = std::thread::spawn(move || starting.dev("o"));
    let compiler = slow_compiler(&dev).await;
    let begin = Instant::now();
    dev.remove("o/slow");
    let abide = starting.join().expect("it serves");
    answers(&abide, "/counter/x", "one").await;
    assert!(!runs(&compiler));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );

    dev.write("o/slow", "");
    let compiler = slow_compiler(&dev).await;
    assert_eq!(abide.get("/counter/x").await.ok(), "one");
    let begin = Instant::now();
    dev.remove("o/slow");
    dev.source("o", "counter", "two");
    answers(&abide, "/counter/x", "two").await;
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    abide.says("what is being built is given up").await;
    assert!(!runs(&compiler));
    assert_eq!(abide.get("/counter/x").await.header("abide-build"), None);
}

#[tokio::test]
async fn a_build_that_writes_files_itself_comes_to_an_end() {
    let dev = Development::answering("one");
    dev.write("o/writes", "");
    let abide = dev.dev("o");
    dev.source("o", "counter", "two");
    answers(&abide, "/counter/x", "two").await;
}

#[tokio::test]
async fn clients_are_told_of_the_first_build_while_it_runs() {
    let dev = Development::answering("built");
    dev.write("o/slow", "");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let class = "[classes.counter]\nsource = \"o\"\n";
    dev.write("abide.toml", format!("listen = \"{address}\"\n{class}"));
    let mut command = dev.command(&["--cache", "cache", "dev"], "abide.toml");
    command.current_dir(dev.path("."));
    let starting = std::thread::spawn(move || promises::start(&mut command));
    slow_compiler(&dev).await;
    let client = promises::Client::of(address);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for path in ["/counter/x", "/anything"] {
            let answer = client.ask(protocol, "POST", path, whole("a body")).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status, 503);
            assert_eq!(answer.header("abide-build"), Some("running"));
            // Browsers and others ask again.
            assert_eq!(answer.header("refresh"), Some("1"));
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert!(answer.text().contains("is being built"), "{answer:?}");
        }
    }
    // Nobody keeps the others from it.
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(std::net::TcpStream::connect(address).expect("it listens"));
    }
    assert_eq!(client.get("/").await.status, 503);
    dev.remove("o/slow");
    let abide = starting.join().expect("it serves");
    let answer = abide.get("/counter/x").await;
    assert_eq!(answer.header("abide-build"), None);
    assert_eq!(answer.ok(), "built");
}

#[tokio::test]
async fn it_says_where_things_are() {
    let dev = Development::answering("x");
    let output = dev.path("said");
    let mut command = dev.command(&["dev"], "o");
    command.stdout(fs::File::create(&output).expect("a file"));
    let mut abide = command.spawn().expect("abide starts");
    until("it says where things are", async || {
        let said = fs::read_to_string(&output).unwrap_or_default();
        ["o/abide-data", "cache"].iter().all(|it| said.contains(it))
    })
    .await;
    abide.kill().expect("a child can be killed");
    abide.wait().expect("a child can be waited for");
}

/// `abide` with the real cargo, in whose environment all target folders are one.
fn with_cargo(command: &[&str], path: &Path) -> Command {
    let mut abide = Command::new(promises::abide());
    abide.args(command).arg(path);
    abide.env("ABIDE_CACHE", promises::cache());
    abide.env("CARGO_TARGET_DIR", promises::cache().join("shared-target"));
    abide
}

#[tokio::test]
async fn slow_source_in_rust_is_built_from_what_is_there() {
    let (one, other) = (counter("one"), counter("other"));
    let lock = fs::read(one.join("Cargo.lock")).expect("a lock file");
    let source = fs::read_to_string(one.join("src/lib.rs")).expect("source");
    let saying = |text: &str| source.replace("count.to_string()", &format!("{text:?}"));
    fs::write(other.join("src/lib.rs"), saying("other")).expect("source");
    // The user's lock file knows the SDK from elsewhere; that is the user's affair.
    let theirs = String::from_utf8_lossy(&lock).replace(
        "name = \"durable-object\"\nversion = \"0.1.0\"\n",
        "name = \"durable-object\"\nversion = \"0.1.0\"\n\
         source = \"registry+https://github.com/rust-lang/crates.io-index\"\n",
    );
    assert_ne!(theirs.as_bytes(), lock);
    fs::write(other.join("Cargo.lock"), &theirs).expect("a lock file");

    let output = promises::cache().join("other.wasm");
    let built = with_cargo(&["build", "--output"], &output)
        .arg(&other)
        .status();
    assert!(built.expect("abide runs").success());
    let mut command = with_cargo(&["dev"], &one);
    command.args(["--listen", "127.0.0.1:0", "--data"]);
    let folder = tempfile::TempDir::new().expect("a folder");
    let abide = promises::start(command.arg(folder.path().join("data")));
    // Not the other folder's, though their packages and the target folder are one.
    assert_eq!(abide.get("/counter/x").await.ok(), "0");

    // A file that was moved into place keeps its time, and looks old to cargo.
    let old = fs::metadata(one.join("src/lib.rs")).and_then(|file| file.modified());
    fs::write(one.join("new"), saying("moved into place")).expect("source");
    let file = fs::File::options().append(true).open(one.join("new"));
    file.and_then(|file| file.set_modified(old?))
        .expect("a time");
    fs::rename(one.join("new"), one.join("src/lib.rs")).expect("renamed over");
    answers(&abide, "/counter/x", "moved into place").await;

    fs::write(one.join("src/lib.rs"), saying("broken") + "}").expect("source");
    until("the error shows", async || {
        abide.get("/counter/x").await.header("abide-build") == Some("failed")
    })
    .await;
    abide.says("unexpected closing delimiter").await;
    let two = "durable_object::export! { \"alpha\" => Counter, \"beta\" => Counter }";
    let several = saying("several").replace("durable_object::export!(Counter);", two);
    fs::write(one.join("src/lib.rs"), several).expect("source");
    answers(&abide, "/beta/x", "several").await;
    assert_eq!(abide.get("/alpha/x").await.ok(), "several");

    let nothing = saying("nothing").replace("durable_object::export!(Counter);", "");
    fs::write(one.join("src/lib.rs"), nothing).expect("source");
    abide.says("is durable_object::export! missing").await;
    assert_eq!(abide.get("/alpha/x").await.ok(), "several");

    assert_eq!(fs::read(one.join("Cargo.lock")).expect("a lock file"), lock);
    let kept = fs::read_to_string(other.join("Cargo.lock")).expect("a lock file");
    assert_eq!(kept, theirs);
    for folder in [&one, &other] {
        assert!(
            !folder.join("target").exists(),
            "nothing is built in the source folder"
        );
    }
}
