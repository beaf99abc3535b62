//! Asks another object again and again.

use durable_object::{DurableObject, Request, Response, Result, State, response};

const CALLS: u32 = 100;

pub struct Caller {
    state: State,
}

impl DurableObject for Caller {
    async fn new(state: State) -> Result<Self> {
        Ok(Caller { state })
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        let echo = self.state.class("echo").named("called");
        for _ in 0..CALLS {
            echo.fetch(Request::default())
                .await?
                .into_body()
                .text()
                .await?;
        }
        Ok(response::text("ok"))
    }
}
