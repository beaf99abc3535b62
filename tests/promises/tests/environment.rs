//! Does a class get the variables that its configuration names, and nobody else?

use promises::{Development, Site, fixture, until};

fn class(more: &str) -> String {
    format!(
        "show_errors = true\ndata = \"data\"\n[classes.fixture]\ncomponent = {:?}\n{more}\n",
        fixture()
    )
}

#[tokio::test]
async fn an_object_sees_the_variables_of_its_class_and_no_others() {
    let other = "[classes.other]\ncomponent = ";
    let site = Site::configured(&class(&format!(
        "env = {{ MODE = \"live = on, ä\", EMPTY = \"\" }}\nenv_from = [\"API_KEY\"]\n\
         env_from_optional = [\"ABSENT\", \"PRESENT\"]\n{other}{:?}",
        fixture()
    )));
    let abide = site.serve_with(|command| {
        command.env("API_KEY", "s3cret").env("PRESENT", "here");
        command.env("UNNAMED", "s3cret").env_remove("ABSENT");
    });
    let get = async |class: &str, name: &str| {
        let path = format!("/{class}/a/env?name={name}");
        abide.get(&path).await.ok()
    };
    for (name, value) in [
        ("MODE", "live = on, ä"),
        ("EMPTY", ""),
        ("API_KEY", "s3cret"),
        ("PRESENT", "here"),
        ("ABSENT", "(none)"),
        ("UNNAMED", "(none)"),
        ("PATH", "(none)"),
    ] {
        assert_eq!(get("fixture", name).await, value, "{name}");
        assert_eq!(get("other", name).await, "(none)", "{name}");
    }
    let names = abide.get("/fixture/a/env-names").await.ok();
    assert_eq!(names, "EMPTY MODE API_KEY PRESENT");
    assert_eq!(abide.get("/other/a/env-names").await.ok(), "");
}

#[tokio::test]
async fn a_variable_that_is_missing_is_named_with_its_class_and_line() {
    let site = Site::configured(&class("env_from = [\n\"HOME\",\n\"NOWHERE\",\n]"));
    let refusal = site.refusal_with(|command| {
        command.env_remove("NOWHERE");
    });
    refusal.names(&[
        "abide.toml:7:",
        "\"fixture\"",
        "NOWHERE=",
        "env_from_optional",
    ]);
    let site = Site::configured(&class("env_from = [\"LATIN\"]"));
    use std::os::unix::ffi::OsStrExt;
    let latin = std::ffi::OsStr::from_bytes(b"s3cret\xff");
    let refusal = site.refusal_with(|command| {
        command.env("LATIN", latin);
    });
    refusal.names(&["abide.toml:5:", "LATIN is not UTF-8"]);
    assert!(!refusal.stderr.contains("s3cret"));
}

#[tokio::test]
async fn an_environment_has_limits() {
    let check = |more: &str, words: &[&str]| {
        let refusal = Site::configured(&class(more)).refusal();
        refusal.names(words);
    };
    let long = "x".repeat(65_530);
    let value = format!("env = {{ LONG = {long:?}, SHORT = \"yes\" }}");
    check(&value, &["SHORT", "65536"]);
    let many: Vec<_> = (0..257).map(|n| format!("V{n} = \"\"")).collect();
    check(
        &format!("env = {{ {} }}", many.join(", ")),
        &["one too many", "256"],
    );
    let at_most = format!("env = {{ LONG = {long:?}, A = \"\" }}");
    let abide = Site::configured(&class(&at_most)).serve();
    assert_eq!(abide.get("/fixture/a/env?name=LONG").await.ok(), long);
}

#[tokio::test]
async fn no_log_and_no_error_tells_a_secret() {
    let site = Site::configured(&class("env_from = [\"API_KEY\"]"));
    let abide = site.serve_with(|command| {
        command.env("API_KEY", "s3cret").env("RUST_LOG", "trace");
    });
    abide.get("/fixture/a/add").await.ok();
    for path in [
        "/fixture/a/trap",
        "/fixture/a/fail?message=x",
        "/nowhere/a/x",
    ] {
        let answer = abide.get(path).await;
        assert!(answer.status >= 400 && !answer.text().contains("s3cret"));
    }
    assert!(!abide.log().contains("s3cret"), "{}", abide.log());
    abide.kill();
    for mistake in [
        "env = { API_KEY = \"s3cret }",
        "env = { API_KEY = 53537 }",
        "env = \"s3cret\"",
        "API_KEY = \"s3cret\"",
        "[classes.fixture.env]\nAPI_KEY = s3cret",
    ] {
        let refusal = Site::configured(&class(mistake)).refusal();
        refusal.names(&["abide.toml:"]);
        let leaks = refusal.stderr.contains("s3cret") || refusal.stderr.contains("53537");
        assert!(!leaks, "{}", refusal.stderr);
    }
}

#[tokio::test]
async fn a_changed_value_takes_effect_while_somebody_develops() {
    let dev = Development::default();
    dev.write("abide.toml", class("env = { MODE = \"one\" }"));
    let abide = dev.dev("abide.toml");
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    let answers = async |text: &str| {
        until(&format!("MODE is {text}"), async || {
            let path = "/fixture/a/env?name=MODE";
            let answer = abide.ask(promises::Protocol::Http1, "GET", path, promises::whole(""));
            answer.await.is_ok_and(|answer| answer.text() == text)
        })
        .await;
    };
    answers("one").await;
    dev.write("abide.toml", class("env = { MODE = \"two\" }"));
    answers("two").await;
    dev.write("abide.toml", class("env = { MODE = 3 }"));
    abide.says("the older configuration stays").await;
    answers("two").await;
    dev.write("abide.toml", class(""));
    answers("(none)").await;
    assert_eq!(abide.get("/fixture/a/read").await.number(), 1);
}
