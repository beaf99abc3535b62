//! Does the server speak TLS, with the newest certificate?

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use promises::{Abide, Site, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;

/// Writes a new certificate and its key into the folder.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["abide.test".to_string()]);
    let made = made.expect("a certificate");
    write(folder, &made.cert.pem(), &made.signing_key.serialize_pem());
    made.cert.der().clone()
}

fn write(folder: &Path, certificate: &str, key: &str) {
    std::fs::write(folder.join("certificate.pem"), certificate).expect("a file");
    std::fs::write(folder.join("key.pem"), key).expect("a file");
}

const TLS: &str = "[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n";

/// Connects as a client that trusts nothing but this certificate.
async fn connect(
    abide: &Abide,
    trusted: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().into())
        .collect();
    let tcp = TcpStream::connect(abide.address()).await?;
    let name = ServerName::try_from("abide.test").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

async fn exchange(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: abide.test\r\nconnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the connection holds");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn requests_through_tls_are_answered_in_both_versions() {
    let site = Site::fixture(TLS);
    let certificate = certify(site.folder());
    let abide = site.serve();
    let stream = connect(&abide, &certificate, &["http/1.1"])
        .await
        .expect("TLS");
    let answer = exchange(stream, "/fixture/a/url").await;
    assert!(
        answer.ends_with("\r\n\r\nhttps://abide.test/fixture/a/url"),
        "{answer}"
    );
    let stream = connect(&abide, &certificate, &["h2", "http/1.1"])
        .await
        .expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));

    let curl = |version: &str, path: &str| {
        let mut command = std::process::Command::new("curl");
        let port = abide.address().port();
        command.args(["-sS", "-m", "20", version, "--cacert"]);
        command.arg(site.folder().join("certificate.pem"));
        command.args(["--resolve", &format!("abide.test:{port}:127.0.0.1")]);
        command.args(["-d", "some body", "-w", " %{http_version}"]);
        command.arg(format!("https://abide.test:{port}{path}"));
        let output = command.output().expect("curl is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    assert_eq!(curl("--http1.1", "/fixture/a/length"), "9 1.1");
    assert_eq!(curl("--http2", "/fixture/a/length"), "9 2");
}

#[tokio::test]
async fn a_new_certificate_is_shown_and_a_broken_one_is_not() {
    let site = Site::fixture(TLS);
    let old = certify(site.folder());
    let abide = site.serve();
    let new = certify(site.folder());
    until("the new certificate is shown", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        connect(&abide, &new, &[]).await.is_ok()
    })
    .await;
    assert!(connect(&abide, &old, &[]).await.is_err());
    write(site.folder(), "no certificate", "no key");
    abide.says("certificate before stays").await;
    assert!(connect(&abide, &new, &[]).await.is_ok());
    let newest = certify(site.folder());
    until("it is mended", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        connect(&abide, &newest, &[]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_handshake_is_let_go() {
    let site = Site::fixture(&format!("[server]\nheader_timeout_ms = 300\n{TLS}"));
    let certificate = certify(site.folder());
    let abide = site.serve();
    for bytes in [
        &b""[..],
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(abide.address())
            .await
            .expect("a connection");
        stream.write_all(bytes).await.expect("the connection holds");
        let mut rest = Vec::new();
        let read = tokio::time::timeout(promises::DEADLINE, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the server waits");
    }
    let stream = connect(&abide, &certificate, &[]).await.expect("TLS");
    assert!(
        exchange(stream, "/fixture/a/events")
            .await
            .ends_with("\r\n\r\n1")
    );
}

#[tokio::test]
async fn plain_http_is_sent_on_to_tls() {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("an address")
    };
    let site = Site::fixture(&format!("{TLS}redirect_from = \"{port}\"\n"));
    certify(site.folder());
    let abide = site.serve();
    let plain = TcpStream::connect(port).await.expect("a connection");
    let answer = exchange(plain, "/fixture/a/url?q").await;
    let to = format!(
        "https://abide.test:{}/fixture/a/url?q",
        abide.address().port()
    );
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    assert!(answer.contains(&format!("location: {to}\r\n")), "{answer}");

    let taken = site.refusal();
    taken.names(&["abide.toml:6: ", &port.to_string(), "with redirect_from"]);
    let config = std::fs::read_to_string(site.config()).expect("it was written");
    site.configure(&config.replace(&port.to_string(), "nonsense"));
    let refusal = site.refusal();
    refusal.names(&[
        "abide.toml:6: ",
        "redirect_from = \"nonsense\"",
        "HOST:PORT",
    ]);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_refused_at_start() {
    let site = Site::fixture(TLS);
    let named = |line: usize, words: &[&str]| {
        let refusal = site.refusal();
        refusal.names(&[&format!("abide.toml:{line}: ")]);
        refusal.names(words);
    };
    named(4, &["tls.certificate", "certificate.pem", "No such file"]);
    let one = rcgen::generate_simple_self_signed(["a.test".to_string()]).expect("a certificate");
    let other = rcgen::generate_simple_self_signed(["a.test".to_string()]).expect("a certificate");
    write(site.folder(), "", &one.signing_key.serialize_pem());
    named(4, &["tls.certificate", "no certificate"]);
    write(site.folder(), &one.cert.pem(), "no key");
    named(5, &["tls.key", "key.pem"]);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    write(site.folder(), &one.cert.pem(), encrypted);
    named(5, &["key.pem is encrypted", "openssl pkey"]);
    write(
        site.folder(),
        &one.cert.pem(),
        &other.signing_key.serialize_pem(),
    );
    named(4, &["certificate.pem", "key.pem", "together"]);
}

#[tokio::test]
async fn a_websocket_is_spoken_through_tls() {
    let site = Site::fixture(TLS);
    let certificate = certify(site.folder());
    let abide = site.serve();
    let stream = connect(&abide, &certificate, &["http/1.1"]).await;
    let asked = tokio_tungstenite::client_async(
        "wss://abide.test/fixture/a/ws",
        stream.expect("a connection"),
    );
    let (mut socket, _) = asked.await.expect("a socket");
    for text in ["hello".to_string(), "long".repeat(100_000)] {
        let sent = socket.send(Message::Text(text.clone().into())).await;
        sent.expect("it is open");
        let echo = tokio::time::timeout(promises::DEADLINE, socket.next()).await;
        let echo = echo.expect("an echo").expect("it is open");
        assert_eq!(echo.expect("a message"), Message::Text(text.into()));
    }
    socket.close(None).await.expect("it is open");
    let closed = tokio::time::timeout(promises::DEADLINE, socket.next()).await;
    assert!(
        matches!(closed, Ok(Some(Ok(Message::Close(None))))),
        "{closed:?}"
    );
}
