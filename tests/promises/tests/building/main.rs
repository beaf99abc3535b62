//! Does what is built from source keep its promises, too?

mod dev;
mod javascript;
mod new;
mod packages;
mod static_files;

use promises::{Abide, Protocol, until, whole};

/// Waits until an object answers this.
async fn answers(abide: &Abide, path: &str, text: &str) {
    until(&format!("{path} answers {text:?}"), async || {
        // A server that starts anew closes its idle connections, which a request may
        // just have been sent on.
        let answer = abide.ask(Protocol::Http1, "GET", path, whole("")).await;
        answer.is_ok_and(|answer| answer.text() == text)
    })
    .await;
}
