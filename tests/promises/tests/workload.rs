//! What do many clients do to many objects while a test spoils their day?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use promises::{Abide, Client, Ledger, Moment};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

/// The seed of a test that draws lots: `SEED`, or a new one. It is printed, and
/// shown when the test fails.
pub fn seed() -> u64 {
    let given = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("SEED={seed} draws the same lots again");
    seed
}

/// Who adds to what.
#[derive(Clone)]
pub struct Shape {
    pub clients: u64,
    /// Objects that count in kv.
    pub counters: u64,
    /// Objects that keep entries: kv, sql and a payload in one turn.
    pub archives: u64,
    pub payload_bytes_max: u64,
    /// Objects may answer with an error, which says nothing of what they did.
    pub errors_expected: bool,
}

impl Shape {
    fn objects(&self) -> Vec<String> {
        let counters = (0..self.counters).map(|n| format!("/fixture/counter-{n}"));
        counters
            .chain((0..self.archives).map(|n| format!("/fixture/archive-{n}")))
            .collect()
    }

    fn request(&self, object: &str, chance: &mut StdRng) -> String {
        match object.contains("counter") {
            true => format!("{object}/add"),
            false => format!(
                "{object}/entry?bytes={}",
                chance.random_range(0..=self.payload_bytes_max)
            ),
        }
    }
}

/// Clients that add to objects until they are told to stop or the server is gone.
pub struct Load {
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    /// Begins; `now` tells the moments that the ledger notes.
    pub fn begin<Now>(abide: &Abide, shape: &Shape, ledger: Ledger, seed: u64, now: Now) -> Load
    where
        Now: Fn() -> Moment + Clone + Send + 'static,
    {
        let ledger = Arc::new(Mutex::new(ledger));
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for number in 0..shape.clients {
            let (client, shape, now) = (abide.client(), shape.clone(), now.clone());
            let (ledger, stop) = (ledger.clone(), stop.clone());
            clients.spawn(async move {
                let mut chance = StdRng::seed_from_u64(seed ^ number);
                let objects = shape.objects();
                while !stop.load(Ordering::Relaxed) {
                    let object = &objects[chance.random_range(0..objects.len())];
                    let ticket = ledger.lock().expect("the ledger").send(object, now());
                    let Ok(answer) = client.try_post(&shape.request(object, &mut chance)).await
                    else {
                        return;
                    };
                    if answer.status == 200 {
                        let number = answer.number();
                        ledger
                            .lock()
                            .expect("the ledger")
                            .acknowledge(&ticket, now(), number);
                    } else {
                        assert!(shape.errors_expected, "{object}: {answer:?}");
                        assert!(
                            answer.header("abide-error").is_some(),
                            "{object}: {answer:?}"
                        );
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                }
            });
        }
        Load {
            ledger,
            stop,
            clients,
        }
    }

    pub fn acknowledged(&self) -> usize {
        self.ledger.lock().expect("the ledger").acknowledged()
    }

    /// Waits until the clients have stopped.
    pub async fn end(mut self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client.expect("a client that has nothing to complain of");
        }
        self.ledger.lock().expect("the ledger").clone()
    }
}

/// What an object holds now; an archive also proves that its parts agree.
pub async fn held(client: &Client, object: &str) -> u64 {
    let route = if object.contains("counter") {
        "read"
    } else {
        "check"
    };
    client.get(&format!("{object}/{route}")).await.number()
}

/// Compares all objects with the ledger, as it stood at a moment, and says what they hold.
pub async fn check(client: &Client, ledger: &Ledger, moment: Moment) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for object in ledger.objects() {
        let count = held(client, &object).await;
        ledger.check(&object, moment, count);
        counts.insert(object, count);
    }
    counts
}
