//! Are static files answered as everything else is, and at no greater cost?

use std::time::Duration;

use promises::{Connection, Development, Protocol, whole};

use crate::answers;

const INDEX: &str = r#"
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
  async enter() {
    const visits = (this.ctx.storage.kv.get("visits") ?? 0) + 1;
    this.ctx.storage.kv.put("visits", visits);
    return visits;
  }
}
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/env") return Response.json([env.MODE, env.MAX, env.MORE, env.SECRET]);
    if (pathname === "/asset") return env.ASSETS.fetch("http://x/page");
    return new Response(`visit ${await env.ROOM.getByName("a").enter()} of ${pathname}`);
  },
};
"#;

/// A project that says this of its assets.
fn project(assets: &str) -> Development {
    let dev = Development::default();
    dev.write("w/src/index.js", INDEX);
    dev.write(
        "w/wrangler.jsonc",
        format!(
            r#"{{
  "main": "src/index.js",
  "vars": {{ "MODE": "live", "MAX": 3 }},
  "assets": {{ {assets} }},
  "durable_objects": {{ "bindings": [{{ "name": "ROOM", "class_name": "Room" }}] }},
  "migrations": [{{ "tag": "v1", "new_sqlite_classes": ["Room"] }}],
}}"#
        ),
    );
    dev
}

#[tokio::test]
async fn slow_static_files_of_many_megabytes_cost_little() {
    const BYTES: usize = 24 << 20;
    let dev = project("\"directory\": \"public\"");
    dev.write("w/public/large.bin", vec![7; BYTES]);
    let abide = dev.worker("w", &[]);
    let before = abide.resident_bytes();
    // The answers are asked for, and not read.
    let mut connections = Vec::new();
    for number in 0..40 {
        let method = if number % 4 == 0 { "GET" } else { "HEAD" };
        let mut connection = Connection::to(&abide).await;
        let head = format!("{method} /large.bin HTTP/1.1\r\nhost: h.test\r\n\r\n");
        connection.send(head).await;
        connections.push(connection);
    }
    let mut most = 0;
    for _ in 0..150 {
        most = abide.resident_bytes().max(most);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let grown = most.saturating_sub(before) >> 20;
    assert!(grown < 100, "{grown} MiB more than before");
    let length = format!("content-length: {BYTES}");
    for connection in &mut connections {
        connection.read_until(&length).await;
    }
    drop(connections);
    let whole = abide.get("/large.bin").await;
    assert_eq!((whole.status, whole.body.len()), (200, BYTES));
    assert!(whole.body.iter().all(|byte| *byte == 7));
    let etag = whole.header("etag").expect("a mark").to_owned();
    let known = format!(
        "GET /large.bin HTTP/1.1\r\nhost: h\r\nconnection: close\r\nif-none-match: {etag}\r\n\r\n"
    );
    let answer = Connection::exchange(&abide, known).await;
    assert!(answer.starts_with("HTTP/1.1 304"), "{answer}");
}

#[tokio::test]
async fn slow_static_files_are_asked_for_as_everything_is() {
    let dev = project(
        "\"directory\": \"public\", \"run_worker_first\": [\"/api/*\", \"!/api/docs*\"], \
         \"not_found_handling\": \"single-page-application\"",
    );
    dev.write("w/public/index.html", "<p>the page</p>");
    dev.write("w/public/page.html", "<p>another page</p>");
    let abide = dev.worker("w", &[]);
    for (head, status) in [
        ("GET /page HTTP/1.1\r\nhost: a\r\n", "200"),
        ("GET /page HTTP/1.1\r\n", "400"),
        ("GET /page HTTP/1.1\r\nhost: a\r\nhost: b\r\n", "400"),
        ("GET /page HTTP/1.1\r\nhost: a/b?c\r\n", "400"),
        ("GET /x/../page HTTP/1.1\r\nhost: a\r\n", "400"),
    ] {
        let asked = format!("{head}connection: close\r\n\r\n");
        let answer = Connection::exchange(&abide, asked).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{head}: {answer}"
        );
    }
    let large = "x".repeat(40_000);
    let asked = format!("GET /page HTTP/1.1\r\nhost: a\r\nx: {large}\r\n\r\n");
    let mut connection = Connection::to(&abide).await;
    connection.send(asked).await;
    connection.read_until("HTTP/1.1 431").await;

    // What a client sends is taken, also where nobody wants it.
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let upload = vec![1; 8 << 20];
        let answer = abide.ask(protocol, "POST", "/page", whole(upload)).await;
        assert_eq!(answer.expect("an answer").status, 405);
    }

    // The list says which paths are the Worker's; of all others the files are.
    assert_eq!(abide.get("/api/x").await.ok(), "visit 1 of /api/x");
    for path in ["/nothing", "/api/docs"] {
        assert_eq!(abide.get(path).await.ok(), "<p>the page</p>", "{path}");
    }
}

#[tokio::test]
async fn slow_static_files_and_all_else_of_a_project_are_served_by_an_abide_toml_beside_it() {
    let dev = project("\"directory\": \".\", \"binding\": \"ASSETS\"");
    dev.write("w/page.html", "<p>the page</p>");
    dev.write("w/.dev.vars", "SECRET=from a file\n");
    dev.write(
        "w/abide.toml",
        "[classes.Room]\nsource = \".\"\nenv = { MORE = \"said\" }\n\n[gateway]\nsource = \".\"\n\
         env = { MODE = \"test\", MORE = \"too\" }\n",
    );
    let abide = dev.worker("w", &[]);
    abide.says("holds the project itself").await;
    abide.says("nobody gets what is in it").await;
    assert_eq!(abide.get("/page").await.ok(), "<p>the page</p>");
    assert_eq!(abide.get("/asset").await.ok(), "<p>the page</p>");
    let expected = r#"["test",3,"too","from a file"]"#;
    assert_eq!(abide.get("/env").await.ok(), expected);
    let own = [
        "/.dev.vars",
        "/wrangler.jsonc",
        "/abide.toml",
        "/abide-data/classes.toml",
    ];
    for (number, path) in own.iter().enumerate() {
        let expected = format!("visit {} of {path}", number + 1);
        assert_eq!(abide.get(path).await.ok(), expected);
    }
    assert!(dev.path("w/abide-data/classes.toml").is_file());

    // Both files may change.
    let wrangler = std::fs::read_to_string(dev.path("w/wrangler.jsonc")).expect("it is there");
    dev.write(
        "w/wrangler.jsonc",
        wrangler.replace("\"MAX\": 3", "\"MAX\": 4"),
    );
    answers(&abide, "/env", r#"["test",4,"too","from a file"]"#).await;
}
