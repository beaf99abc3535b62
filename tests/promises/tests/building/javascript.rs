//! Does a Cloudflare project run as it lies there?

use std::time::{Duration, Instant};

use promises::{Development, Protocol, until};

use crate::answers;

const WRANGLER: &str = r#"{
  // A comment, and trailing commas.
  "name": "counter",
  "main": "src/index.ts",
  "compatibility_date": "2026-11-01",
  "vars": { "GREETING": "hello // you", "LIMIT": 3 },
  "kv_namespaces": [{ "binding": "CACHE", "id": "1" }],
  "durable_objects": { "bindings": [{ "name": "COUNTER", "class_name": "Counter" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Counter"] }],
}
"#;

const INDEX: &str = r#"
import { DurableObject } from "cloudflare:workers";
import { greeting } from "./greeting";
import note from "./note.txt";

interface Env { COUNTER: any; GREETING: string; LIMIT: number; SECRET?: string; CACHE: any }

export class Counter extends DurableObject<Env> {
  increment(by: number): number {
    const value = (this.ctx.storage.kv.get<number>("value") ?? 0) + by;
    this.ctx.storage.kv.put("value", value);
    return value;
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/greeting": return new Response(greeting);
      case "/env": return Response.json([env.GREETING, env.LIMIT + 1, env.SECRET ?? null]);
      case "/note": return new Response(note);
      case "/socket": return new Response(new WebSocket("ws://127.0.0.1:1/").url);
      case "/cache": return new Response(await env.CACHE.get("x"));
    }
    return new Response(String(await env.COUNTER.getByName(pathname).increment(2)));
  },
};
"#;

fn project() -> Development {
    let dev = Development::default();
    dev.write("w/wrangler.jsonc", WRANGLER);
    dev.write("w/.dev.vars", "SECRET=from a file\n");
    dev.write("w/src/index.ts", INDEX);
    dev.write("w/src/note.txt", "a text that is imported");
    dev.write(
        "w/src/greeting.ts",
        "export const greeting: string = \"one\";",
    );
    dev
}

#[tokio::test]
async fn slow_a_project_is_served_as_it_lies_there_and_edited() {
    let dev = project();
    let abide = dev.worker("w", &[]);
    assert_eq!(abide.get("/greeting").await.ok(), "one");
    assert_eq!(abide.get("/alice").await.ok(), "2");
    assert_eq!(abide.get("/alice").await.ok(), "4");
    assert_eq!(abide.get("/note").await.ok(), "a text that is imported");
    let expected = r#"["hello // you",4,"from a file"]"#;
    assert_eq!(abide.get("/env").await.ok(), expected);

    // What abide lacks is named at the start, and when it is used.
    abide
        .says("wrangler.jsonc:7:21: the binding \"CACHE\" leads to a KV namespace")
        .await;
    let refused = abide.get("/cache").await;
    assert_eq!(refused.status, 500);
    assert!(
        refused.text().contains("env.CACHE leads to a KV namespace"),
        "{refused:?}"
    );
    // The Worker itself goes on, and whatever else it answers.
    let refused = abide.get("/socket").await;
    assert!(
        refused.text().contains("has no WebSockets of its own"),
        "{refused:?}"
    );

    // An edit, a mistake, and its end.
    dev.write("w/src/greeting.ts", "export const greeting = \"two\";");
    answers(&abide, "/greeting", "two").await;
    dev.write("w/src/greeting.ts", "export const greeting = ;");
    until("the failure shows", async || {
        let answer = abide.get("/greeting").await;
        assert_eq!(answer.ok(), "two");
        answer.header("abide-build") == Some("failed")
    })
    .await;
    abide.says("src/greeting.ts:1:24").await;
    dev.write("w/src/greeting.ts", "export const greeting = \"three\";");
    answers(&abide, "/greeting", "three").await;
    assert_eq!(abide.get("/greeting").await.header("abide-build"), None);

    // The object kept its data, and secrets may change.
    assert_eq!(abide.get("/alice").await.ok(), "6");
    dev.write("w/.dev.vars", "SECRET=another\n");
    answers(&abide, "/env", r#"["hello // you",4,"another"]"#).await;
}

/// The one process that bundles for another.
fn bundler_of(process: u32) -> String {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let children = threads.flatten().flat_map(|thread| {
        let children = std::fs::read_to_string(thread.path().join("children"));
        let children = children.unwrap_or_default();
        children
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    let mut bundlers: Vec<_> = children.filter(|child| is_running(child)).collect();
    assert_eq!(bundlers.len(), 1, "{bundlers:?}");
    bundlers.remove(0)
}

fn is_running(process: &str) -> bool {
    let command = std::fs::read_to_string(format!("/proc/{process}/cmdline"));
    command.is_ok_and(|command| command.contains("bundle.mjs"))
}

#[tokio::test]
async fn slow_one_process_bundles_until_abide_ends_in_whatever_way() {
    let dev = project();
    let abide = dev.worker("w", &[]);
    let bundler = bundler_of(abide.pid());
    dev.write("w/src/greeting.ts", "export const greeting = \"two\";");
    answers(&abide, "/greeting", "two").await;
    assert_eq!(bundler_of(abide.pid()), bundler);

    // One that was ended is started anew.
    let status = std::process::Command::new("kill")
        .args(["-9", &bundler])
        .status();
    assert!(status.expect("kill runs").success());
    dev.write("w/src/greeting.ts", "export const greeting = \"three\";");
    answers(&abide, "/greeting", "three").await;
    let bundler = bundler_of(abide.pid());
    abide.kill();
    until("the bundler has ended", async || !is_running(&bundler)).await;
}

#[tokio::test]
async fn slow_a_first_bundle_that_fails_is_shown_to_clients() {
    let dev = project();
    dev.write("w/src/greeting.ts", "export const greeting = ;");
    let abide = dev.worker("w", &[]);
    let answer = abide.get("/greeting").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("src/greeting.ts:1:24"), "{answer:?}");
    dev.write(
        "w/src/greeting.ts",
        "throw new Error(\"at the top\"); export const greeting = 1;",
    );
    until("what the top level throws is shown", async || {
        abide.get("/greeting").await.text().contains("at the top")
    })
    .await;
    dev.write("w/src/greeting.ts", "export const greeting = \"mended\";");
    answers(&abide, "/greeting", "mended").await;
}

#[tokio::test]
async fn slow_a_class_that_is_not_exported_is_named_with_its_binding() {
    let dev = project();
    dev.write(
        "w/src/index.ts",
        INDEX.replace("export class Counter", "export class Countr"),
    );
    let refusal = dev.worker_refusal("w/wrangler.jsonc");
    refusal.names(&[
        "binding \"COUNTER\" and migration \"v1\"",
        "class \"Counter\" is not exported by",
        "it exports \"Countr\": is that meant?",
    ]);
}

#[tokio::test]
async fn slow_a_worker_without_a_gateway_leaves_the_default_route_open() {
    let dev = Development::default();
    let write = |main: &str, said: &str| {
        let code = "export class Counter {\n  constructor(state) { this.state = state; }\n  fetch() \
                    { return new Response(this.state.id.name + SAID); }\n}";
        dev.write(&format!("w/{main}"), code.replace("SAID", said));
        dev.write("w/wrangler.jsonc", WRANGLER.replace("src/index.ts", main));
    };
    write("index.js", "\" one\"");
    let abide = dev.worker("w", &[]);
    assert_eq!(abide.get("/Counter/alice").await.ok(), "alice one");
    abide.says("has no default export with fetch()").await;
    write("other.js", "\" two\"");
    answers(&abide, "/Counter/alice", "alice two").await;
}

/// In each of these ways an error is thrown that nobody waits for.
const UNAWAITED: &str = r#"
import { DurableObject } from "cloudflare:workers";

interface Env { COUNTER: any }

export class Counter extends DurableObject<Env> {
  async fail(why: string): Promise<void> {
    await scheduler.wait(1);
    throw new RangeError(`thrown: ${why}`);
  }
  failAtOnce(why: string): void {
    throw new RangeError(`thrown: ${why}`);
  }
  fetch(): Response {
    this.fail("a call");
    void this.fail("a void call");
    this.fail("a chain").then(() => {});
    setTimeout(async () => { await this.fail("a timer"); }, 1);
    const target = new EventTarget();
    target.addEventListener("x", async () => { await this.fail("a listener"); });
    target.dispatchEvent(new Event("x"));
    this.env.COUNTER.getByName("other").failAtOnce("another object");
    this.fail("caught").catch(() => {});
    return new Response("goes on");
  }
}

export default {
  fetch(request: Request, env: Env) { return env.COUNTER.getByName("a").fetch(request); },
};
"#;

#[tokio::test]
async fn slow_what_nobody_awaits_is_in_the_log_with_its_file_and_line() {
    let dev = project();
    for contexts in [
        "",
        "import { AsyncLocalStorage } from \"node:async_hooks\"; new AsyncLocalStorage();\n",
    ] {
        dev.write("w/src/index.ts", format!("{contexts}{UNAWAITED}"));
        let abide = dev.worker("w", &[]);
        assert_eq!(abide.get("/").await.ok(), "goes on");
        let ways = [
            "a call",
            "a void call",
            "a chain",
            "a timer",
            "a listener",
            "another object",
        ];
        for way in ways {
            abide
                .says(&format!("Uncaught RangeError: thrown: {way}"))
                .await;
        }
        let line = 9 + contexts.lines().count();
        abide.says(&format!("(src/index.ts:{line})")).await;
        assert_eq!(abide.get("/").await.ok(), "goes on");
        assert!(!abide.log().contains("thrown: caught"), "{}", abide.log());
    }
}

#[tokio::test]
async fn slow_code_may_ask_for_static_files() {
    let dev = project();
    let assets = "\"main\": \"src/index.ts\", \"assets\": { \"directory\": \"public\", \"binding\": \
                  \"ASSETS\", \"run_worker_first\": true },";
    dev.write(
        "w/wrangler.jsonc",
        WRANGLER.replace("\"main\": \"src/index.ts\",", assets),
    );
    dev.write("w/public/index.html", "<p>the page</p>");
    dev.write("w/public/large.txt", "0123456789".repeat(100_000));
    dev.write(
        "w/src/index.ts",
        r#"
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject<any> {
  async fetch(request: Request) { return this.env.ASSETS.fetch(request); }
}
export default {
  async fetch(request: Request, env: any) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/object/")) {
      return env.COUNTER.getByName("a").fetch(new Request(request.url.replace("/object", ""), request));
    }
    if (pathname === "/followed") {
      const answer = await env.ASSETS.fetch("https://anything.example/index.html");
      return Response.json([answer.status, answer.headers.get("content-type"), await answer.text()]);
    }
    if (pathname === "/posted") {
      const answer = await env.ASSETS.fetch("https://anything.example/", { method: "POST", body: "x" });
      return Response.json([answer.status, answer.headers.get("allow")]);
    }
    return env.ASSETS.fetch(request);
  },
};
"#,
    );
    let abide = dev.worker("w", &[]);
    for path in ["/", "/object/"] {
        let page = abide.get(path).await;
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(page.ok(), "<p>the page</p>");
    }
    // A request that came is answered as it is; one of the code's own is sent on.
    let page = abide.get("/index.html").await;
    assert_eq!((page.status, page.header("location")), (307, Some("/")));
    assert_eq!(
        abide.get("/followed").await.ok(),
        r#"[200,"text/html; charset=utf-8","<p>the page</p>"]"#
    );
    assert_eq!(abide.get("/posted").await.ok(), r#"[405,"GET, HEAD"]"#);
    assert_eq!(abide.get("/nothing").await.status, 404);
    assert_eq!(abide.get("/object/large.txt").await.ok().len(), 1_000_000);
}

#[tokio::test]
async fn slow_objects_call_what_the_gateway_gives_them() {
    let dev = project();
    let index = r#"
import { DurableObject, RpcTarget } from "cloudflare:workers";

export class Counter extends DurableObject {
  async each(told: (n: number) => Promise<number>) { return [await told(1), await told(2)]; }
  async use(target: any) { return target.twice(21); }
  async write(stream: WritableStream) {
    const writer = stream.getWriter();
    await writer.write("written");
    await writer.close();
  }
}

let disposed = 0;

class Target extends RpcTarget {
  twice(n: number) { return 2 * n; }
  [Symbol.dispose]() { disposed++; }
}

export default {
  async fetch(request: Request, env: any): Promise<Response> {
    const counter = env.COUNTER.getByName("one");
    const each = await counter.each((n: number) => n + 10);
    const used = await counter.use(new Target());
    const { readable, writable } = new TransformStream();
    const text = new Response(readable).text();
    await counter.write(writable);
    while (disposed === 0) await scheduler.wait(1);
    return Response.json([each, used, await text, request.cf?.country ?? null, request.cf?.tlsVersion]);
  },
};
"#;
    dev.write("w/src/index.ts", index);
    let abide = dev.worker("w", &[]);
    for _ in 0..3 {
        let expected = r#"[[11,12],42,"written",null,""]"#;
        assert_eq!(abide.get("/").await.ok(), expected);
    }
}

#[tokio::test]
async fn slow_webassembly_and_a_wait_at_the_top_level_are_refused_with_their_place() {
    let dev = project();
    dev.write("w/src/add.wasm", b"\0asm\x01\0\0\0");
    dev.write(
        "w/src/greeting.ts",
        "import add from \"./add.wasm\";\nexport const greeting = typeof add;",
    );
    let refusal = dev.worker_refusal("w/wrangler.jsonc");
    refusal.names(&[
        "src/greeting.ts:1:16",
        "src/add.wasm is WebAssembly, which QuickJS cannot run",
    ]);
    dev.write(
        "w/src/greeting.ts",
        "export const greeting = await Promise.resolve(\"x\");",
    );
    let refusal = dev.worker_refusal("w/wrangler.jsonc");
    refusal.names(&["src/greeting.ts:1:24", "await"]);
}

#[test]
fn slow_a_project_is_tested_by_its_own_script() {
    let dev = project();
    let test = || dev.command(&["test"], "w").args(["--", "more"]).output();
    dev.write("w/package.json", "{}");
    dev.refusal(&["test"], "w")
        .names(&["package.json: there is no script \"test\"; write one"]);
    for (script, code) in [("echo tested", 0), ("exit 3; echo", 3)] {
        let package = serde_json::json!({ "scripts": { "test": script } });
        dev.write("w/package.json", package.to_string());
        let ended = test().expect("abide runs");
        assert_eq!(ended.status.code(), Some(code), "{ended:?}");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(said.contains("tested more"), code == 0, "{said}");
    }
    // Interrupted, it ends as a shell expects.
    let package = serde_json::json!({ "scripts": { "test": "echo > begun; sleep 600; echo" } });
    dev.write("w/package.json", package.to_string());
    let mut abide = dev.command(&["test"], "w").spawn().expect("abide starts");
    while !dev.path("w/begun").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: a system call without memory, to a child that was not waited for yet.
    assert_eq!(unsafe { libc::kill(abide.id() as i32, libc::SIGINT) }, 0);
    assert_eq!(abide.wait().expect("it ends").code(), Some(130));
}

#[tokio::test]
async fn slow_a_build_that_hangs_is_left_for_another_configuration() {
    let dev = project();
    let hanging = WRANGLER.replace(
        "\"vars\"",
        "\"build\": { \"command\": \"echo begun >> begun; sleep 600\" }, \"vars\"",
    );
    let begun = |times: usize| {
        let dev = dev.clone();
        move || {
            std::fs::read_to_string(dev.path("w/begun")).is_ok_and(|it| it.lines().count() == times)
        }
    };
    // The first, and one while something serves.
    dev.write("w/wrangler.jsonc", &hanging);
    let starting = dev.clone();
    let starting = std::thread::spawn(move || starting.worker("w", &[]));
    let has_begun = begun(1);
    until("the build hangs", async || has_begun()).await;
    dev.write("w/wrangler.jsonc", WRANGLER);
    let abide = starting.join().expect("it serves");
    answers(&abide, "/greeting", "one").await;

    dev.write("w/wrangler.jsonc", &hanging);
    let has_begun = begun(2);
    until("the build hangs", async || has_begun()).await;
    assert_eq!(abide.get("/greeting").await.ok(), "one");
    dev.write("w/src/greeting.ts", "export const greeting = \"two\";");
    dev.write("w/wrangler.jsonc", WRANGLER);
    answers(&abide, "/greeting", "two").await;
    assert!(begun(2)(), "it was not tried again");
}

#[tokio::test]
async fn slow_a_script_that_never_ends_is_left_for_newer_source() {
    let dev = project();
    let abide = dev.worker("w", &[]);
    let hang = async |meanwhile: &str| {
        dev.write(
            "w/src/greeting.ts",
            "while (true) {}\nexport const greeting = \"never\";",
        );
        // Until it runs.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(abide.get("/greeting").await.ok(), meanwhile);
    };
    hang("one").await;
    let begin = Instant::now();
    dev.write("w/src/greeting.ts", "export const greeting = \"mended\";");
    answers(&abide, "/greeting", "mended").await;
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    hang("mended").await;
    let begin = Instant::now();
    assert!(abide.stop().await.success());
    assert!(begin.elapsed() < Duration::from_secs(5));
}

/// It may guard the objects, so that nothing is served without it.
#[tokio::test]
async fn slow_a_gateway_that_is_asked_for_must_be_exported() {
    let dev = project();
    let without = INDEX.split("export default").next().expect("a beginning");
    dev.write("w/src/index.ts", without);
    dev.write("folder/package.json", "{ \"main\": \"index.js\" }");
    dev.write("folder/index.js", "export class Counter {}\n");
    for folder in ["w", "folder"] {
        let of = "source = \".\"\n";
        let file = format!("{folder}/abide.toml");
        dev.write(&file, format!("[classes.Counter]\n{of}\n[gateway]\n{of}"));
        let said = "has no default export with fetch(), which would be the gateway";
        let refusal = dev.worker_refusal(&file);
        refusal.names(&["abide.toml:5: the gateway: ", said]);
        let abide = dev.worker(folder, &[]);
        let answer = abide.get("/Counter/x").await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.text().contains(said), "{answer:?}");
    }
}

#[tokio::test]
async fn slow_static_files_come_before_the_gateway() {
    let dev = project();
    let assets = "\"main\": \"src/index.ts\", \"assets\": { \"directory\": \"public\" },";
    dev.write(
        "w/wrangler.jsonc",
        WRANGLER.replace("\"main\": \"src/index.ts\",", assets),
    );
    dev.write("w/public/index.html", "<p>the page</p>");
    dev.write("w/public/_headers", "/*\n  X-Test: 1\nnonsense\n");
    dev.write(
        "w/public/_redirects",
        "/old/* /greeting?was=:splat 301\n/app/* /page 200\n",
    );
    dev.write("w/public/page.html", "<p>the application</p>");
    dev.write("w/public/.assetsignore", "*.map\n");
    dev.write("w/public/x.map", "not for clients");
    dev.write("w/secret.txt", "not for clients");
    std::os::unix::fs::symlink("../secret.txt", dev.path("w/public/link.txt")).expect("a link");
    let abide = dev.worker("w", &[]);
    abide
        .says("public/_headers:3: \"nonsense\" is neither")
        .await;
    let page = abide.get("/").await;
    assert_eq!(page.text(), "<p>the page</p>");
    assert_eq!(page.header("x-test"), Some("1"));
    let redirect = abide.get("/old/x").await;
    assert_eq!(redirect.status, 301);
    assert_eq!(redirect.header("location"), Some("/greeting?was=x"));
    let inside = abide.get("/app/anything").await;
    assert_eq!(inside.ok(), "<p>the application</p>");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let etag = page
        .header("etag")
        .expect("a mark of the content")
        .to_owned();
    assert_eq!(abide.get("/greeting").await.ok(), "one");
    // Whoever asks past the folder reaches the gateway, as for any other path.
    for path in ["/%2e%2e/secret.txt", "/link.txt", "/x.map", "/_headers"] {
        let answer = abide.get(path).await;
        assert!(
            !answer.text().contains("not for clients"),
            "{path}: {answer:?}"
        );
    }
    dev.write("w/public/index.html", "<p>another page</p>");
    let other = abide.get("/").await;
    assert_eq!(other.text(), "<p>another page</p>");
    assert_ne!(other.header("etag"), Some(&*etag));
    dev.write("w/public/_headers", "/*\n  X-Test: 2\n");
    // The server before may just end.
    until("the other header is there", async || {
        let answer = abide.ask(Protocol::Http1, "GET", "/", promises::whole(""));
        let answer = answer.await;
        answer.is_ok_and(|answer| answer.header("x-test") == Some("2"))
    })
    .await;
}

#[tokio::test]
async fn slow_a_new_project_is_served_at_once() {
    let dev = Development::default();
    for (lang, template, path, expected) in [
        ("js", "counter", "/alice", "0\n"),
        ("ts", "counter", "/alice", "0\n"),
        ("js", "chat", "/chat/kitchen", "<!doctype html>"),
        ("ts", "chat", "/chat/kitchen", "<!doctype html>"),
    ] {
        let name = format!("{lang}-{template}");
        let made = dev
            .command(&["new", "--lang", lang, "--template", template], &name)
            .output()
            .expect("abide runs");
        assert!(made.status.success(), "{made:?}");
        let abide = dev.worker(&name, &[]);
        let text = abide.get(path).await.ok();
        assert!(text.to_lowercase().starts_with(expected), "{name}: {text}");
    }
}
