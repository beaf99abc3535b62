//! An alarm that notes within how many milliseconds it rang.

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

use durable_object::{
    AlarmHandler, AlarmInfo, DurableObject, Error, Request, RequestExt, Response, Result, State,
    now, response,
};

pub struct Bell {
    state: State,
    within_ms: Cell<Option<u128>>,
}

impl DurableObject for Bell {
    async fn new(state: State) -> Result<Self> {
        Ok(Bell {
            state,
            within_ms: Cell::new(None),
        })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let Some(at_ms) = request.subpath().strip_prefix("at/") else {
            let within_ms = self
                .within_ms
                .get()
                .ok_or_else(|| Error::new("it has not rung"))?;
            return Ok(response::text(within_ms.to_string()));
        };
        let time = UNIX_EPOCH + Duration::from_millis(at_ms.parse()?);
        self.state.storage().set_alarm(time)?;
        Ok(response::text("ok"))
    }
}

impl AlarmHandler for Bell {
    async fn alarm(&self, info: AlarmInfo) -> Result<()> {
        let late = now()
            .duration_since(info.scheduled_time)
            .unwrap_or_default();
        self.within_ms.set(Some(late.as_millis() + 1));
        Ok(())
    }
}
