//! Where would an older `compatibility_date` have changed what a class sees? Abide
//! has the newest behaviour alone.

use super::super::ConfigError;
use super::Reader;

/// Since when something is as it is here, the flag that asks for it before, and what
/// it is.
const CHANGES: [(&str, &str, &str); 12] = [
    (
        "2021-11-10",
        "durable_object_fetch_requires_full_url",
        "stub.fetch() wants a whole URL",
    ),
    (
        "2022-10-31",
        "capture_async_api_throws",
        "asynchronous functions reject, and never throw",
    ),
    (
        "2023-03-01",
        "http_headers_getsetcookie",
        "Headers give each Set-Cookie by itself",
    ),
    (
        "2023-08-15",
        "web_socket_compression",
        "WebSockets are compressed if the client likes",
    ),
    (
        "2024-03-26",
        "fetcher_no_get_put_delete",
        "stub.get, put and delete are the class's methods",
    ),
    (
        "2024-04-03",
        "rpc",
        "every other property of a stub is a method of the class",
    ),
    (
        "2024-10-14",
        "upper_case_all_http_methods",
        "the method of a Request is in capitals",
    ),
    (
        "2024-12-16",
        "fixup-transform-stream-backpressure",
        "a TransformStream has back-pressure",
    ),
    (
        "2025-05-05",
        "enable_weak_ref",
        "WeakRef and FinalizationRegistry are there",
    ),
    (
        "2025-08-01",
        "set_event_target_this",
        "`this` in a listener is the target of the event",
    ),
    (
        "2025-09-01",
        "strip_authorization_on_cross_origin_redirect",
        "a redirect to another origin loses Authorization",
    ),
    (
        "2026-02-24",
        "delete_all_deletes_alarm",
        "storage.deleteAll() deletes the alarm too",
    ),
];

impl Reader<'_> {
    /// One line that names what differs.
    pub(super) fn compatibility(&self) -> Result<Option<String>, ConfigError> {
        let flags = self.texts(self.inherited("compatibility_flags"), "compatibility_flags")?;
        let Some(node) = self.inherited("compatibility_date") else {
            return Ok(None);
        };
        let date = self.text(node, "compatibility_date")?;
        if !is_date(date) {
            let message = format!("\"compatibility_date\": {date:?} is no date; write YYYY-MM-DD");
            return Err(self.wrong(node.at, &message));
        }
        let later = CHANGES
            .iter()
            .filter(|(since, flag, _)| date < *since && !flags.contains(flag));
        let what: Vec<_> = later
            .map(|(since, _, what)| format!("\n    {since}: {what}"))
            .collect();
        if what.is_empty() {
            return Ok(None);
        }
        let place = self.place(node.at);
        Ok(Some(format!(
            "{place}: abide behaves as of today, not as of {date}; since then:{}",
            what.concat()
        )))
    }
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut number = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        let is_number = part.bytes().all(|it| it.is_ascii_digit());
        is_number.then(|| part.parse::<u32>().ok()).flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(4), number(2), number(2)) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    //! A date is one of the calendar.

    use super::*;

    #[test]
    fn a_date_is_one_of_the_calendar() {
        for date in ["2024-02-29", "2026-12-31", "2000-02-29"] {
            assert!(is_date(date), "{date}");
        }
        for text in [
            "yesterday",
            "",
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-04-31",
            "2024-01-00",
            "2024-1-1",
            "2024-01-01-01",
            "2024–01–01",
            "+024-01-01",
        ] {
            assert!(!is_date(text), "{text}");
        }
    }
}
