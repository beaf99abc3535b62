//! How do objects speak with servers over TLS?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use promises::{Abide, Answer, Site};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

/// A server with a certificate for `localhost`, which nobody trusts by himself.
struct Secure {
    port: u16,
    certificate: String,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Secure {
    /// Offers these protocols. Over HTTP/2, refuses as many requests as said, unseen.
    async fn offering(protocols: &[&str], refused: usize) -> Secure {
        let made = rcgen::generate_simple_self_signed(["localhost".to_string()]);
        let made = made.expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("they belong together");
        let protocols = protocols.iter();
        config.alpn_protocols = protocols.map(|name| name.as_bytes().into()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), count.clone());
                tokio::spawn(async move {
                    // Who does not trust the certificate leaves.
                    if let Ok(stream) = acceptor.accept(tcp).await {
                        answer(stream, refused, &count).await;
                    }
                });
            }
        });
        Secure {
            port,
            certificate: made.cert.pem(),
            asked,
            task,
        }
    }

    fn site(&self) -> Site {
        let site = Site::fixture("");
        let config = std::fs::read_to_string(site.config()).expect("it was written");
        let port = self.port;
        site.configure(&format!("{config}outbound = [\"localhost:{port}\"]\n"));
        site
    }

    /// A host on a system that trusts this server.
    fn trusting(&self) -> Abide {
        let site = self.site();
        let file = site.folder().join("roots.pem");
        std::fs::write(&file, &self.certificate).expect("a file");
        site.serve_with(|command| {
            command
                .env("SSL_CERT_FILE", &file)
                .env_remove("SSL_CERT_DIR");
        })
    }

    async fn asked_by(&self, abide: &Abide) -> Answer {
        let request = format!("POST https://localhost:{}/x\n\nthe body", self.port);
        abide.post("/fixture/a/out", request).await
    }

    fn times_asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(stream: TlsStream<tokio::net::TcpStream>, refused: usize, asked: &AtomicUsize) {
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => answer_http2(stream, refused, asked).await,
        _ => answer_http1(stream, asked).await,
    }
}

async fn answer_http1(mut stream: TlsStream<tokio::net::TcpStream>, asked: &AtomicUsize) {
    let mut heard = Vec::new();
    while !heard.ends_with(b"the body") {
        if stream.read_buf(&mut heard).await.unwrap_or(0) == 0 {
            return;
        }
    }
    asked.fetch_add(1, Ordering::Relaxed);
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nby 1: ok";
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn answer_http2(
    stream: TlsStream<tokio::net::TcpStream>,
    refused: usize,
    asked: &AtomicUsize,
) {
    let mut connection = h2::server::handshake(stream).await.expect("it is HTTP/2");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        if asked.fetch_add(1, Ordering::Relaxed) < refused {
            respond.send_reset(Reason::REFUSED_STREAM);
            continue;
        }
        tokio::spawn(echo(request.into_body(), respond));
    }
}

async fn echo(mut body: h2::RecvStream, mut respond: SendResponse<Bytes>) {
    let mut heard = b"by 2: ".to_vec();
    while let Some(Ok(bytes)) = body.data().await {
        let _ = body.flow_control().release_capacity(bytes.len());
        heard.extend(bytes);
    }
    let mut send = respond
        .send_response(hyper::Response::new(()), false)
        .expect("it is there");
    send.send_data(heard.into(), true).expect("it is there");
}

#[tokio::test]
async fn the_newest_version_that_both_speak_is_spoken() {
    for (protocols, said) in [
        (vec!["h2", "http/1.1"], "by 2: the body"),
        (vec!["http/1.1"], "by 1: ok"),
        (vec![], "by 1: ok"),
    ] {
        let server = Secure::offering(&protocols, 0).await;
        let answer = server.asked_by(&server.trusting()).await;
        assert_eq!(answer.ok(), said, "{protocols:?}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_asked() {
    let server = Secure::offering(&["h2", "http/1.1"], 0).await;
    let stranger = Secure::offering(&["h2", "http/1.1"], 0).await;
    let site = server.site();
    let file = site.folder().join("roots.pem");
    std::fs::write(&file, &stranger.certificate).expect("a file");
    let abide = site.serve_with(|command| {
        command
            .env("SSL_CERT_FILE", &file)
            .env_remove("SSL_CERT_DIR");
    });
    let answer = server.asked_by(&abide).await;
    answer.is_error("exception", "certificate");
    assert_eq!(server.times_asked(), 0);
}

#[tokio::test]
async fn a_request_that_http2_refuses_unseen_is_sent_again_but_not_for_ever() {
    let busy = Secure::offering(&["h2"], 1).await;
    let answer = busy.asked_by(&busy.trusting()).await;
    assert_eq!(answer.ok(), "by 2: the body");
    assert_eq!(busy.times_asked(), 2);

    let closed = Secure::offering(&["h2"], usize::MAX).await;
    let answer = closed.asked_by(&closed.trusting()).await;
    answer.is_error("exception", "no answer of");
    assert!(closed.times_asked() < 10, "{}", closed.times_asked());
}
