//! What does one run of the handler do?

use crate::durable::object::{alarms, state, storage, timers, transactions};
use crate::exports::durable::object::fetch_handler::Error;
use crate::{error, put, refused, set_in};

/// Does what the plan says for this run, counted from 0.
pub async fn run(plan: &str, run: usize) -> Result<(), Error> {
    let runs: Vec<&str> = plan.split(';').collect();
    let steps = runs[run.min(runs.len() - 1)];
    for step in steps.split(',') {
        let (what, ms) = step.split_once(':').unwrap_or((step, "0"));
        let ms: i64 = ms.parse().unwrap_or(0);
        match what {
            "set" => drop(set_in(ms)?),
            "delete" => alarms::delete().map_err(refused)?,
            "delete-all" => storage::delete_all().map_err(refused)?,
            "sleep" => drop(timers::sleep(ms as u64).await),
            "put" => put("also", "put")?,
            "roll-back-a-set" => {
                let savepoint = transactions::savepoint().map_err(refused)?;
                set_in(0)?;
                transactions::rollback(savepoint).map_err(refused)?;
            }
            "fail" => return Err(error("the handler fails")),
            "trap" => core::arch::wasm32::unreachable(),
            "abort" => state::abort(None, true),
            "abort-for-good" => state::abort(None, false),
            "fail-section" => {
                let section = state::begin_block_concurrency();
                state::end_block_concurrency(section, Err(&error("the section fails")));
            }
            "leave-a-transaction-open" => drop(transactions::begin(None).map_err(refused)?),
            _ => {}
        }
    }
    Ok(())
}
