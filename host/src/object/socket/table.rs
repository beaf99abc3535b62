//! The sockets of one object, with what is kept for each. Pure; `S` is the way to
//! the other end.
//!
//! Invariants:
//!
//! * A later socket has a higher number.
//! * The sockets of a tag are those that were accepted with it and are still here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::rules::{self, SOCKETS_MAX};
use crate::object::error::ObjectError;
use crate::object::input_gate::Stamp;

type Answer<T> = Result<T, ObjectError>;

/// How a socket was accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It outlives its instance.
    Kept { tags: Vec<String> },
    /// It ends with its instance, which accepted it when so many sections had been opened.
    Plain { since: Stamp },
}

/// What a socket is told by the host when a message equals `request`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AutoResponse {
    pub request: String,
    pub response: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Open,
    Closing,
    Closed,
}

#[derive(Debug)]
pub struct Table<S> {
    entries: BTreeMap<u64, Entry<S>>,
    by_tag: HashMap<Arc<str>, BTreeSet<u64>>,
    /// Those that end with the instance, and since when it has them.
    plain: HashMap<u64, Stamp>,
    pub auto_response: Option<Arc<AutoResponse>>,
    pub event_timeout_ms: Option<u32>,
}

#[derive(Debug)]
struct Entry<S> {
    speaker: S,
    is_plain: bool,
    tags: Box<[Arc<str>]>,
    attachment: Option<Box<[u8]>>,
    /// The object has sent its Close.
    said_close: bool,
    /// The other side has closed, or is gone.
    has_ended: bool,
    answered_ms: Option<i64>,
}

impl<S> Default for Table<S> {
    fn default() -> Table<S> {
        Table {
            entries: BTreeMap::new(),
            by_tag: HashMap::new(),
            plain: HashMap::new(),
            auto_response: None,
            event_timeout_ms: None,
        }
    }
}

impl<S: Clone> Table<S> {
    /// Is there room for one more?
    pub fn check_room(&self) -> Answer<()> {
        match self.entries.len() < SOCKETS_MAX {
            true => Ok(()),
            false => Err(rules::too_many_sockets()),
        }
    }

    pub fn add(&mut self, number: u64, kind: Kind, speaker: S) {
        let (is_plain, tags) = match kind {
            Kind::Kept { tags } => (false, tags),
            Kind::Plain { since } => {
                self.plain.insert(number, since);
                (true, Vec::new())
            }
        };
        let tags = tags.into_iter().map(|tag| self.tag(&tag, number));
        let tags = tags.collect();
        let entry = Entry {
            speaker,
            is_plain,
            tags,
            attachment: None,
            said_close: false,
            has_ended: false,
            answered_ms: None,
        };
        self.entries.insert(number, entry);
    }

    fn tag(&mut self, tag: &str, number: u64) -> Arc<str> {
        let tag: Arc<str> = match self.by_tag.get_key_value(tag) {
            Some((known, _)) => known.clone(),
            None => tag.into(),
        };
        self.by_tag.entry(tag.clone()).or_default().insert(number);
        tag
    }

    /// Forgets a socket, and gives back the way to its other end.
    pub fn remove(&mut self, number: u64) -> Option<S> {
        let entry = self.entries.remove(&number)?;
        if entry.is_plain {
            self.plain.remove(&number);
        }
        for tag in &entry.tags {
            let others = self.by_tag.get_mut(tag).expect("it was tagged with it");
            others.remove(&number);
            if others.is_empty() {
                self.by_tag.remove(tag);
            }
        }
        if self.entries.is_empty() {
            self.by_tag = HashMap::new();
        }
        Some(entry.speaker)
    }

    /// Forgets all sockets, or those that end with the instance.
    pub fn remove_all(&mut self, which: impl Fn(bool) -> bool) -> Vec<S> {
        let entries = self.entries.iter();
        let numbers = entries
            .filter(|(_, entry)| which(entry.is_plain))
            .map(|(number, _)| *number);
        let numbers: Vec<_> = numbers.collect();
        let removed = numbers.into_iter().filter_map(|number| self.remove(number));
        removed.collect()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn has_plain(&self) -> bool {
        !self.plain.is_empty()
    }

    /// Which sections let in what this socket brings: those that were open when it was
    /// accepted, if it ends with its instance.
    pub fn stamp(&self, number: u64) -> Stamp {
        self.plain.get(&number).copied().unwrap_or_default()
    }

    pub fn state(&self, number: u64) -> State {
        match self.entries.get(&number) {
            None => State::Closed,
            Some(entry) if entry.said_close && entry.has_ended => State::Closed,
            Some(entry) if entry.said_close || entry.has_ended => State::Closing,
            Some(_) => State::Open,
        }
    }

    fn entry(&self, number: u64) -> Answer<&Entry<S>> {
        let entry = self.entries.get(&number);
        entry.ok_or_else(|| rules::no_such_socket(number))
    }

    fn entry_mut(&mut self, number: u64) -> Answer<&mut Entry<S>> {
        let entry = self.entries.get_mut(&number);
        entry.ok_or_else(|| rules::no_such_socket(number))
    }

    fn kept(&self, number: u64) -> Answer<&Entry<S>> {
        match self.entry(number)? {
            entry if entry.is_plain => Err(rules::is_plain(number)),
            entry => Ok(entry),
        }
    }

    /// The way to the other end, for a message.
    pub fn for_message(&self, number: u64) -> Answer<S> {
        let entry = self.entry(number)?;
        match entry.said_close {
            true => Err(rules::closed()),
            false => Ok(entry.speaker.clone()),
        }
    }

    /// The same for a Close; none if there was one already.
    pub fn for_close(&mut self, number: u64) -> Answer<Option<S>> {
        let entry = self.entry_mut(number)?;
        let is_first = !std::mem::replace(&mut entry.said_close, true);
        Ok(is_first.then(|| entry.speaker.clone()))
    }

    /// The other side has closed. False if that was known, or the socket is not.
    pub fn ended(&mut self, number: u64) -> bool {
        let entry = self.entries.get_mut(&number);
        entry.is_some_and(|entry| !std::mem::replace(&mut entry.has_ended, true))
    }

    /// Does the object still want to hear messages of this socket?
    pub fn hears(&self, number: u64) -> bool {
        let entry = self.entries.get(&number);
        entry.is_some_and(|entry| !entry.said_close)
    }

    pub fn knows(&self, number: u64) -> bool {
        self.entries.contains_key(&number)
    }

    /// The sockets that outlive the instance: of a tag, oldest first; else all,
    /// newest first.
    pub fn list(&self, tag: Option<&str>) -> Vec<u64> {
        match tag {
            Some(tag) => {
                let tagged = self.by_tag.get(tag);
                tagged.map_or_else(Vec::new, |numbers| numbers.iter().copied().collect())
            }
            None => {
                let kept = self.entries.iter().rev();
                let kept = kept.filter(|(_, entry)| !entry.is_plain);
                kept.map(|(number, _)| *number).collect()
            }
        }
    }

    pub fn tags(&self, number: u64) -> Answer<Vec<String>> {
        let tags = self.kept(number)?.tags.iter();
        Ok(tags.map(|tag| tag.to_string()).collect())
    }

    pub fn attachment(&self, number: u64) -> Answer<Option<Vec<u8>>> {
        Ok(self.kept(number)?.attachment.as_deref().map(Vec::from))
    }

    pub fn set_attachment(&mut self, number: u64, attachment: Vec<u8>) -> Answer<()> {
        self.kept(number)?;
        rules::attachment(attachment.len())?;
        self.entry_mut(number)?.attachment = Some(attachment.into());
        Ok(())
    }

    pub fn answered_ms(&self, number: u64) -> Answer<Option<i64>> {
        Ok(self.kept(number)?.answered_ms)
    }

    /// What the host itself answers to a text, if it does; noted as done `now_ms`.
    pub fn answer(&mut self, number: u64, text: &str, now_ms: i64) -> Option<Arc<AutoResponse>> {
        let pair = self.auto_response.as_ref()?;
        if pair.request != text {
            return None;
        }
        let entry = self.entries.get_mut(&number)?;
        if entry.is_plain || entry.said_close || entry.has_ended {
            return None;
        }
        entry.answered_ms = Some(now_ms);
        Some(pair.clone())
    }
}

#[cfg(test)]
mod tests {
    //! Sockets come, are found by tag, and go.

    use super::*;

    fn kept(tags: &[&str]) -> Kind {
        Kind::Kept {
            tags: tags.iter().map(|tag| tag.to_string()).collect(),
        }
    }

    /// Sockets 1 and 2 with the tag `a`, 2 and 3 with `b`; 4 is plain.
    fn table() -> Table<&'static str> {
        let mut table = Table::default();
        table.add(1, kept(&["a"]), "one");
        table.add(2, kept(&["b", "a"]), "two");
        table.add(3, kept(&["b"]), "three");
        let since = Stamp::default();
        table.add(4, Kind::Plain { since }, "four");
        table
    }

    #[test]
    fn sockets_are_listed_by_tag_oldest_first_and_all_newest_first() {
        let mut table = table();
        assert_eq!(table.list(None), [3, 2, 1]);
        assert_eq!(table.list(Some("a")), [1, 2]);
        assert_eq!(table.list(Some("b")), [2, 3]);
        assert!(table.list(Some("")).is_empty());
        assert_eq!(table.remove(2), Some("two"));
        assert_eq!(table.remove(2), None);
        assert_eq!(
            (table.list(None), table.list(Some("a"))),
            (vec![3, 1], vec![1])
        );
        assert!(table.has_plain());
        assert_eq!(table.remove_all(|is_plain| is_plain), ["four"]);
        assert!(!table.has_plain() && !table.is_empty());
        assert_eq!(table.remove_all(|_| true), ["one", "three"]);
        assert!(table.is_empty() && table.by_tag.is_empty());
    }

    #[test]
    fn a_socket_is_closed_when_both_sides_are() {
        let mut table = table();
        assert_eq!(table.state(1), State::Open);
        assert_eq!(table.for_close(1).unwrap(), Some("one"));
        assert_eq!(table.for_close(1).unwrap(), None, "a second one is ignored");
        assert_eq!(table.state(1), State::Closing);
        let refused = table.for_message(1).unwrap_err();
        assert_eq!(
            refused.message,
            "Can't call WebSocket send() after close()."
        );
        assert!(!table.hears(1) && table.ended(1) && !table.ended(1));
        assert_eq!(table.state(1), State::Closed);
        assert!(table.ended(2));
        assert_eq!(table.state(2), State::Closing);
        assert_eq!(
            table.for_message(2).unwrap(),
            "two",
            "it may still say something"
        );
        assert_eq!(table.state(9), State::Closed);
        assert!(table.for_message(9).is_err() && table.for_close(9).is_err() && !table.ended(9));
    }

    #[test]
    fn what_is_kept_with_a_socket_is_replaced_or_stays() {
        let mut table = table();
        assert_eq!(table.attachment(1).unwrap(), None);
        table.set_attachment(1, vec![1]).unwrap();
        assert!(table.set_attachment(1, vec![0; 16_385]).is_err());
        assert_eq!(table.attachment(1).unwrap(), Some(vec![1]));
        table.set_attachment(1, Vec::new()).unwrap();
        assert_eq!(table.attachment(1).unwrap(), Some(Vec::new()));
        assert_eq!(table.tags(2).unwrap(), ["b", "a"]);
        assert!(table.tags(4).is_err() && table.attachment(4).is_err());
    }

    #[test]
    fn an_auto_response_is_for_the_exact_text_on_open_kept_sockets() {
        let mut table = table();
        assert_eq!(table.answer(1, "ping", 5), None);
        let pair = AutoResponse {
            request: "ping".into(),
            response: "pong".into(),
        };
        table.auto_response = Some(Arc::new(pair));
        assert_eq!(table.answer(1, "Ping", 6), None);
        assert_eq!(table.answer(4, "ping", 6), None);
        assert_eq!(table.answered_ms(1).unwrap(), None);
        for now_ms in [7, 8] {
            let answer = table.answer(1, "ping", now_ms).unwrap();
            assert_eq!(answer.response, "pong");
            assert_eq!(table.answered_ms(1).unwrap(), Some(now_ms));
        }
        table.for_close(1).unwrap();
        assert_eq!(table.answer(1, "ping", 9), None);
    }
}
