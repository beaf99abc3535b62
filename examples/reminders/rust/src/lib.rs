//! Reminders that call out. Under `/reminders/NAME`:
//!
//! * `POST` `{"text": "tea", "after_seconds": 60, "url": "https://…"}` keeps one; the url
//!   may be left out.
//! * `GET` lists those that are due and those that were.
//! * `DELETE /ID` forgets one.
//!
//! An object has one alarm: it is set to the reminder that is due next. What is called
//! must be allowed in the host's configuration. A call that fails is tried again.

use durable_object::http::{self, Method, StatusCode};
use durable_object::{
    AlarmHandler, AlarmInfo, Body, DurableObject, Error, FromRow, Request, RequestExt, Response,
    Result, State, fetch, now, response,
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, UNIX_EPOCH};

const TEXT_BYTES_MAX: usize = 1000;
const TRIES_MAX: i64 = 5;
const RETRY_AFTER_SECONDS: i64 = 10;

struct Reminders {
    state: State,
}

#[derive(Deserialize)]
struct New {
    text: String,
    after_seconds: u32,
    url: Option<String>,
}

#[derive(FromRow, Serialize, Deserialize)]
struct Reminder {
    id: i64,
    text: String,
    url: Option<String>,
    /// In milliseconds since 1970.
    due: i64,
    tries: i64,
    /// `waiting`, `done` or why it could not be told.
    state: String,
}

impl DurableObject for Reminders {
    async fn new(state: State) -> Result<Self> {
        let create = "CREATE TABLE IF NOT EXISTS reminders (
             id INTEGER PRIMARY KEY, text TEXT NOT NULL, url TEXT, due INTEGER NOT NULL,
             tries INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting')";
        state.storage().sql().exec(create, ())?;
        Ok(Reminders { state })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        match (request.method(), request.subpath()) {
            (&Method::GET, "") => response::json(&self.all()?),
            (&Method::POST, "") => self.add(request.into_body().json().await?),
            (&Method::DELETE, id) => self.forget(id),
            _ => response::method_not_allowed("GET, POST, DELETE"),
        }
    }
}

impl AlarmHandler for Reminders {
    async fn alarm(&self, _: AlarmInfo) -> Result<()> {
        let sql = self.state.storage().sql();
        let due = "SELECT * FROM reminders WHERE state = 'waiting' AND due <= ? ORDER BY due";
        for reminder in sql.query::<Reminder>(due, (now_ms()?,))? {
            let failure = tell(&reminder).await.err().map(|error| error.to_string());
            let (state, due) = match failure {
                None => ("done".to_owned(), reminder.due),
                Some(_) if reminder.tries + 1 < TRIES_MAX => {
                    ("waiting".to_owned(), now_ms()? + RETRY_AFTER_SECONDS * 1000)
                }
                Some(why) => (why, reminder.due),
            };
            let update = "UPDATE reminders SET state = ?, due = ?, tries = tries + 1 WHERE id = ?";
            sql.exec(update, (state, due, reminder.id))?;
        }
        self.set_alarm()
    }
}

impl Reminders {
    fn all(&self) -> Result<Vec<Reminder>> {
        let all = "SELECT * FROM reminders ORDER BY due, id";
        self.state.storage().sql().query(all, ())
    }

    fn add(&self, new: New) -> Result<Response> {
        if new.text.is_empty() || new.text.len() > TEXT_BYTES_MAX {
            let message = "a reminder has a text, of at most 1000 bytes";
            return Err(Error::status(StatusCode::BAD_REQUEST, message));
        }
        let due = now_ms()? + i64::from(new.after_seconds) * 1000;
        let insert = "INSERT INTO reminders (text, url, due) VALUES (?, ?, ?) RETURNING *";
        let row = (new.text, new.url, due);
        let reminder: Reminder = self.state.storage().sql().one(insert, row)?;
        self.set_alarm()?;
        let mut response = response::json(&reminder)?;
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    }

    fn forget(&self, id: &str) -> Result<Response> {
        let delete = "DELETE FROM reminders WHERE id = ?";
        if self.state.storage().sql().exec(delete, (id,))?.changes() == 0 {
            return Err(Error::status(
                StatusCode::NOT_FOUND,
                format!("no reminder {id:?}"),
            ));
        }
        self.set_alarm()?;
        Ok(response::status(StatusCode::NO_CONTENT))
    }

    /// To the time of the reminder that is due next.
    fn set_alarm(&self) -> Result<()> {
        let storage = self.state.storage();
        let next = "SELECT min(due) FROM reminders WHERE state = 'waiting'";
        match storage.sql().one::<Option<u64>>(next, ())? {
            Some(due) => storage.set_alarm(UNIX_EPOCH + Duration::from_millis(due)),
            None => storage.delete_alarm(),
        }
    }
}

async fn tell(reminder: &Reminder) -> Result<()> {
    let Some(url) = &reminder.url else {
        println!("{}", reminder.text);
        return Ok(());
    };
    let request = http::Request::post(url).body(Body::from(reminder.text.as_str()))?;
    let status = fetch(request).await?.status();
    match status.is_success() {
        true => Ok(()),
        false => Err(Error::new(format!("{url} answered {status}"))),
    }
}

fn now_ms() -> Result<i64> {
    Ok(now().duration_since(UNIX_EPOCH)?.as_millis() as i64)
}

durable_object::export!(Reminders: AlarmHandler);

#[cfg(test)]
mod tests {
    use super::*;
    use durable_object::sleep;
    use durable_object::testing::{InMemory, World};
    use std::cell::RefCell;
    use std::rc::Rc;

    const SECOND: Duration = Duration::from_secs(1);

    async fn states(reminders: &InMemory) -> Result<Vec<(String, i64)>> {
        let all: Vec<Reminder> = reminders.get("/").await?.into_body().json().await?;
        Ok(all.into_iter().map(|it| (it.state, it.tries)).collect())
    }

    #[test]
    fn a_reminder_calls_out_when_it_is_due_and_is_tried_again() {
        let called = Rc::new(RefCell::new(Vec::new()));
        let log = called.clone();
        World::new()
            .class::<Reminders>("reminders", |object| object.alarm())
            .outside(move |request| {
                let log = log.clone();
                async move {
                    let text = request.into_body().text().await?;
                    log.borrow_mut().push(text);
                    let status = if log.borrow().len() == 1 { 503 } else { 200 };
                    Ok(http::Response::builder()
                        .status(status)
                        .body(Body::empty())?)
                }
            })
            .run(async |world| {
                let reminders = world.named("reminders", "mine");
                let new = r#"{"text": "tea", "after_seconds": 60, "url": "http://x/"}"#;
                assert_eq!(
                    reminders.post("/", new).await?.status(),
                    StatusCode::CREATED
                );
                sleep(59 * SECOND).await;
                assert_eq!(states(&reminders).await?, [("waiting".into(), 0)]);
                sleep(2 * SECOND).await;
                assert_eq!(states(&reminders).await?, [("waiting".into(), 1)]);
                sleep(10 * SECOND).await;
                assert_eq!(states(&reminders).await?, [("done".into(), 2)]);
                Ok(())
            })
            .unwrap();
        assert_eq!(*called.borrow(), ["tea", "tea"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        World::new()
            .class::<Reminders>("reminders", |object| object.alarm())
            .run(async |world| {
                let reminders = world.named("reminders", "mine");
                for bad in [
                    "",
                    "{",
                    r#"{"text": "", "after_seconds": 1}"#,
                    r#"{"text": "x"}"#,
                ] {
                    let answer = reminders.post("/", bad).await?;
                    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{bad}");
                }
                Ok(())
            })
            .unwrap();
    }
}
