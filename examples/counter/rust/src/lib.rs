//! A counter: `GET` answers its number, `POST` adds one and answers the new number.

use durable_object::http::Method;
use durable_object::{DurableObject, Request, Response, Result, State, response};

struct Counter {
    state: State,
}

impl DurableObject for Counter {
    async fn new(state: State) -> Result<Self> {
        Ok(Counter { state })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let kv = self.state.storage().kv();
        let mut count: u64 = kv.get_as("count")?.unwrap_or(0);
        match *request.method() {
            Method::GET => {}
            Method::POST => {
                count += 1;
                kv.put_as("count", &count)?;
            }
            _ => return response::method_not_allowed("GET, POST"),
        }
        Ok(response::text(count.to_string()))
    }
}

durable_object::export!(Counter);
