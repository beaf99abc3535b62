//! An object that counts: a POST adds one, a GET tells.

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

#[cfg(test)]
mod tests {
    use super::*;
    use durable_object::testing::World;

    #[test]
    fn it_counts_and_remembers() {
        World::new()
            .class::<Counter>("counter", |object| object)
            .run(async |world| {
                let counter = world.named("counter", "a");
                for expected in ["1", "2"] {
                    let answer = counter.post("/", "").await?;
                    assert_eq!(answer.into_body().text().await?, expected);
                }
                counter.restart();
                let answer = counter.get("/").await?;
                assert_eq!(answer.into_body().text().await?, "2");
                Ok(())
            })
            .unwrap();
    }
}
