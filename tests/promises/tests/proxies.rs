//! Does a proxy that shares its connections among its clients give each its own answer?
//!
//! These tests need nginx and HAProxy, which `tests/install-proxies` installs; `tests/all`
//! runs them, or says at its end that it did not.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use promises::{Abide, Connection, DEADLINE, Site};

/// A proxy that runs; ended when dropped.
struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx's workers end with their master only when it is asked.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("an address")
}

fn start(mut command: Command, address: SocketAddr) -> Proxy {
    let child = command.stdin(Stdio::null()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let proxy = Proxy { child, address };
    for _ in 0..200 {
        if std::net::TcpStream::connect(address).is_ok() {
            return proxy;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{command:?} does not listen");
}

/// nginx before this server, with few connections to it that all clients share.
fn nginx(folder: &Path, abide: &Abide) -> Proxy {
    let address = free_address();
    let config = format!(
        "daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
         events {{ worker_connections 512; }}
         http {{
             access_log off;
             client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
             fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
             upstream abide {{ server {abide}; keepalive 2; }}
             server {{
                 listen {address};
                 location / {{
                     proxy_pass http://abide; proxy_http_version 1.1;
                     proxy_set_header Connection ''; proxy_set_header Host $host;
                     proxy_request_buffering off; proxy_buffering off;
                     proxy_next_upstream off;
                 }}
             }}
         }}",
        folder = folder.display(),
        abide = abide.address(),
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config).expect("a file");
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).arg("-p").arg(folder);
    start(command, address)
}

/// HAProxy before this server, which reuses connections wherever it can.
fn haproxy(folder: &Path, abide: &Abide, protocol: &str) -> Proxy {
    let address = free_address();
    let config = format!(
        "global
    maxconn 500
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    http-reuse always
frontend front
    bind {address}
    default_backend abide
backend abide
    server one {abide} maxconn 4 {protocol}
",
        abide = abide.address(),
    );
    let file = folder.join(format!("haproxy-{}.cfg", address.port()));
    std::fs::write(&file, config).expect("a file");
    let mut command = Command::new("haproxy");
    command.arg("-f").arg(file);
    start(command, address)
}

/// Requests whose answers are anything but clean; nobody looks at these.
fn foul(n: usize) -> String {
    let get = |path: &str| format!("GET /fixture/foul/{path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let post =
        |path: &str, rest: &str| format!("POST /fixture/foul/{path} HTTP/1.1\r\nhost: x\r\n{rest}");
    match n % 12 {
        0 => get("exactly?header=content-length:2&body=hello-HTTP/1.1"),
        1 => get("exactly?header=content-length:50&body=hello"),
        2 => get("exactly?header=content-length:0&chunks=HTTP/1.1|hi"),
        3 => get("exactly?header=content-length:9&chunks=he|llo"),
        4 => get("exactly?status=204&body=hello"),
        5 => get("exactly?status=304&body=hello&header=content-length:5"),
        6 => get("exactly?body=hello&header=transfer-encoding:chunked"),
        7 => get("exactly?body=hello").replace("GET", "HEAD"),
        8 => post("refuse-unread", "content-length: 200000\r\n\r\nabc"),
        9 => post(
            "length",
            "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        ),
        10 => get("headers?count=2000&bytes=10"),
        _ => get("stream-then-trap?chunks=3"),
    }
}

async fn each_client_gets_its_own_answer(proxy: &Proxy) {
    let clients = (0..16).map(|client| async move {
        let mut answered = 0;
        for n in 0..60 {
            let mut connection = Connection::to_address(proxy.address).await;
            if (client + n) % 2 == 0 {
                connection.send(foul(client * 7 + n)).await;
                // Some clients leave in the middle of it.
                let time = Duration::from_millis(if n % 3 == 0 { 2 } else { 100 });
                connection.read_within(time).await;
                continue;
            }
            let name = format!("client-{client}-request-{n}");
            let request = format!(
                "GET /fixture/{name}/name HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            );
            connection.send(request).await;
            let answer = tokio::time::timeout(DEADLINE, connection.rest()).await;
            let answer = answer.expect("an answer");
            // The proxy may fail a request; it may not give a wrong answer.
            if answer.starts_with("HTTP/1.1 200") {
                let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
                assert!(body.contains(&name), "{name} was answered: {answer}");
                assert_eq!(body.matches("client-").count(), 1, "{answer}");
                answered += 1;
            } else {
                assert!(
                    answer.starts_with("HTTP/1.1 50"),
                    "{name} was answered: {answer}"
                );
            }
        }
        answered
    });
    let answered: usize = futures::future::join_all(clients).await.into_iter().sum();
    assert!(answered > 400, "only {answered} of 480 were answered");
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn clients_of_nginx_get_their_own_answers() {
    let site = Site::fixture("");
    let abide = site.serve();
    each_client_gets_its_own_answer(&nginx(site.folder(), &abide)).await;
}

#[tokio::test]
#[ignore = "needs haproxy"]
async fn clients_of_haproxy_get_their_own_answers() {
    let site = Site::fixture("");
    let abide = site.serve();
    each_client_gets_its_own_answer(&haproxy(site.folder(), &abide, "")).await;
    each_client_gets_its_own_answer(&haproxy(site.folder(), &abide, "proto h2")).await;
}
