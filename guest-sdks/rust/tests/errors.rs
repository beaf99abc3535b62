//! Do errors still say what they are when they have been errors of other types?

use durable_object::http::StatusCode;
use durable_object::{Body, Error, Result};
use std::fmt;

const CONFLICT: StatusCode = StatusCode::CONFLICT;

fn conflict() -> Error {
    Error::status(CONFLICT, "it is taken")
}

#[derive(Debug, thiserror::Error)]
enum Wrapped {
    #[error("cannot join")]
    Silent(#[from] Error),
    #[error("cannot join: {0}")]
    Spoken(#[source] anyhow::Error),
    #[error(transparent)]
    Same(anyhow::Error),
}

fn again(error: impl Into<Box<dyn std::error::Error>>) -> Error {
    Error::from(error)
}

#[test]
fn a_status_survives_other_types_of_errors() {
    let boxed: Box<dyn std::error::Error> =
        Box::<dyn std::error::Error + Send + Sync>::from(conflict());
    let through: [Error; 6] = [
        again(anyhow::Error::from(conflict())),
        again(anyhow::Error::from(conflict()).context("cannot join")),
        again(Wrapped::from(conflict())),
        again(Wrapped::Spoken(conflict().into())),
        again(Wrapped::Same(conflict().into())),
        again(boxed),
    ];
    for error in through {
        assert_eq!(error.http_status(), Some(CONFLICT), "{error:?}");
        let full = format!("{error:#}");
        assert!(full.ends_with("it is taken"), "{full}");
        assert_eq!(full.matches("it is taken").count(), 1, "{full}");
    }
}

#[test]
fn only_what_an_error_holds_has_a_status() {
    assert_eq!(conflict().to_string(), "it is taken");
    assert_eq!(again(fmt::Error).http_status(), None);
    let text = conflict().to_string();
    assert_eq!(Error::from(text).http_status(), None);
    // Of two the outer one counts.
    let outer = Error::from(anyhow::Error::from(conflict())).with_status(StatusCode::GONE);
    let outer = again(anyhow::Error::from(outer).context("why"));
    assert_eq!(outer.http_status(), Some(StatusCode::GONE));
}

#[test]
fn what_is_no_json_is_a_bad_request_also_by_way_of_anyhow() {
    async fn read() -> anyhow::Result<u32> {
        Ok(Body::from("no json").json().await?)
    }
    durable_object::testing::run(async |_| {
        let read: Result<u32> = async { Ok(read().await?) }.await;
        assert_eq!(
            read.unwrap_err().http_status(),
            Some(StatusCode::BAD_REQUEST)
        );
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cause_is_left_out_only_where_the_message_ends_with_it() {
    let check = |cause: &str, message: &str, expected: &str| {
        let error = Error::new(cause).context(message);
        assert_eq!(format!("{error:#}"), expected);
    };
    check("5", "cannot read block 15", "cannot read block 15: 5");
    check("no", "there is no room", "there is no room: no");
    check("no", "volcano", "volcano: no");
    check("disk full", "failed: disk full", "failed: disk full");
    check("disk full", "failed (disk full)", "failed (disk full)");
    check("Disk full.", "failed: Disk full.", "failed: Disk full.");
    check("disk full", "disk full", "disk full");
    check("", "failed", "failed");
    check("?", "failed", "failed: ?");
    let deep = Error::new("c").context("b").context("a: b");
    assert_eq!(format!("{deep:#}"), "a: b: c");
    let all = Error::new("c").context("b").context("a: b: c");
    assert_eq!(format!("{all:#}"), "a: b: c");
}
