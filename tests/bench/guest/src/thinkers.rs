//! Objects that only compute: JSON read, changed and written; numbers sorted.

use durable_object::{DurableObject, Request, Response, Result, State, response};
use serde_json::{Value, json};

pub struct Json {
    text: String,
}

impl DurableObject for Json {
    async fn new(_: State) -> Result<Self> {
        let item = |id: u64| {
            json!({
                "id": id,
                "name": format!("item {id}"),
                "price": id * 7,
                "tags": ["new", "blue"],
                "note": "what somebody wrote about it",
            })
        };
        let items: Vec<Value> = (0..1000).map(item).collect();
        let text = serde_json::to_string(&items)?;
        Ok(Json { text })
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        let mut items: Vec<Value> = serde_json::from_str(&self.text)?;
        for item in &mut items {
            item["price"] = json!(item["price"].as_u64().unwrap_or(0) + 1);
        }
        let text = serde_json::to_string(&items)?;
        Ok(response::text(text.len().to_string()))
    }
}

pub struct Sort {
    numbers: Vec<f64>,
}

impl DurableObject for Sort {
    async fn new(_: State) -> Result<Self> {
        let mut k = 1u64;
        let mut next = || {
            k = (k * 48271) % 2_147_483_647;
            k as f64
        };
        let numbers = (0..10_000).map(|_| next()).collect();
        Ok(Sort { numbers })
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        let mut sorted = self.numbers.clone();
        sorted.sort_by(f64::total_cmp);
        Ok(response::text(sorted[5000].to_string()))
    }
}
