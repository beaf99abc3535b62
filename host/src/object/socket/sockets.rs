//! The sockets of one object, from its first to its last, whether it is awake or
//! not. What they are is decided in `table`; here is their lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::bounds::{Room, Share};
use super::event::{Arrival, Parting};
use super::line::{End, Said, Speaker};
use super::table::Table;
use super::{Close, Ending, Message, RESTART, TRY_LATER, relay, rules};
use crate::object::error::ObjectError;
use crate::object::event::Event;
use crate::object::id::Target;
use crate::object::identity::Identity;
use crate::object::post::Post;

pub use super::table::{AutoResponse, Kind, State};

type Answer<T> = Result<T, ObjectError>;

/// Which sockets are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    All,
    /// Those that end with their instance.
    Plain,
}

pub struct Sockets {
    pub identity: Arc<Identity>,
    pub(super) room: Room,
    post: Arc<dyn Post>,
    table: Mutex<Table<Arc<Speaker>>>,
}

/// Numbers are never used again by the process: one that an object has kept for too
/// long means no socket.
static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);

/// The newest number of all sockets.
pub fn last_number() -> u64 {
    LAST_NUMBER.load(Ordering::Relaxed)
}

/// Gives no socket a number up to this one: an object may remember it from an earlier
/// process.
pub fn go_on_after(last: u64) {
    LAST_NUMBER.fetch_max(last, Ordering::Relaxed);
}

impl Sockets {
    pub fn new(identity: Arc<Identity>, post: Arc<dyn Post>) -> Sockets {
        Sockets {
            identity,
            room: Room::default(),
            post,
            table: Mutex::default(),
        }
    }

    /// What an end would be accepted as.
    pub fn check(&self, kind: Kind) -> Answer<Kind> {
        self.table.lock().check_room()?;
        Ok(match kind {
            Kind::Kept { tags } => Kind::Kept {
                tags: rules::tags(tags)?,
            },
            Kind::Plain { since } => Kind::Plain { since },
        })
    }

    /// Takes an end that nobody has, as something that was checked.
    pub fn accept(self: &Arc<Self>, end: End, kind: Kind) -> u64 {
        let number = LAST_NUMBER.fetch_add(1, Ordering::Relaxed) + 1;
        let (speaker, inlet) = end.accept();
        self.table.lock().add(number, kind, speaker.clone());
        if let Some(inlet) = inlet {
            relay::start(inlet, self.clone(), number);
        }
        if let Some(ending) = speaker.belongs_to(self, number) {
            self.ended(number, ending);
        }
        number
    }

    /// The way to the other end, with what is to be said there.
    pub fn to_send(&self, number: u64, message: Message) -> Answer<(Arc<Speaker>, Said)> {
        let speaker = self.table.lock().for_message(number)?;
        rules::message(&message)?;
        let said = Said::Message(message);
        speaker.claim(&said);
        Ok((speaker, said))
    }

    /// The same for a Close; nothing if there was one already.
    pub fn to_close(
        &self,
        number: u64,
        code: Option<u16>,
        reason: String,
    ) -> Answer<Option<(Arc<Speaker>, Said)>> {
        let close = rules::close(code, reason)?;
        let speaker = self.table.lock().for_close(number)?;
        Ok(speaker.map(|speaker| {
            let said = Said::Close(close);
            speaker.claim(&said);
            (speaker, said)
        }))
    }

    pub fn state(&self, number: u64) -> State {
        self.table.lock().state(number)
    }

    pub fn list(&self, tag: Option<&str>) -> Vec<u64> {
        self.table.lock().list(tag)
    }

    pub fn tags(&self, number: u64) -> Answer<Vec<String>> {
        self.table.lock().tags(number)
    }

    pub fn attachment(&self, number: u64) -> Answer<Option<Vec<u8>>> {
        self.table.lock().attachment(number)
    }

    pub fn set_attachment(&self, number: u64, attachment: Vec<u8>) -> Answer<()> {
        self.table.lock().set_attachment(number, attachment)
    }

    pub fn set_auto_response(&self, pair: Option<AutoResponse>) -> Answer<()> {
        if let Some(pair) = &pair {
            rules::auto_response(&pair.request, &pair.response)?;
        }
        self.table.lock().auto_response = pair.map(Arc::new);
        Ok(())
    }

    pub fn auto_response(&self) -> Option<Arc<AutoResponse>> {
        self.table.lock().auto_response.clone()
    }

    pub fn answered_ms(&self, number: u64) -> Answer<Option<i64>> {
        self.table.lock().answered_ms(number)
    }

    pub fn set_event_timeout(&self, ms: Option<u32>) -> Answer<()> {
        self.table.lock().event_timeout_ms = rules::event_timeout(ms)?;
        Ok(())
    }

    pub fn event_timeout_ms(&self) -> Option<u32> {
        self.table.lock().event_timeout_ms
    }

    pub fn is_empty(&self) -> bool {
        self.table.lock().is_empty()
    }

    /// Is there one that keeps the object awake?
    pub fn has_plain(&self) -> bool {
        self.table.lock().has_plain()
    }

    /// Drops sockets, as the end of an instance does. Their peers see the connection
    /// break.
    pub fn drop_all(&self, which: Which) {
        for speaker in self.take(which) {
            speaker.belongs_to_nobody();
        }
    }

    /// Closes sockets that end with their instance; their peers may come back.
    pub fn close_plain(&self) {
        for speaker in self.take(Which::Plain) {
            speaker.belongs_to_nobody();
            say_close(&speaker, RESTART, "the object starts anew");
        }
    }

    fn take(&self, which: Which) -> Vec<Arc<Speaker>> {
        let mut table = self.table.lock();
        if which == Which::All {
            (table.auto_response, table.event_timeout_ms) = (None, None);
        }
        table.remove_all(|is_plain| which == Which::All || is_plain)
    }

    /// Answers a message in place of the object, past its output gate, if that has
    /// asked for it.
    pub(super) fn answers(&self, number: u64, message: &Message) -> bool {
        let Message::Text(text) = message else {
            return false;
        };
        let mut table = self.table.lock();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.map_or(0, |since| since.as_millis() as i64);
        let Some(pair) = table.answer(number, text, now_ms) else {
            return false;
        };
        let speaker = table.for_message(number);
        drop(table);
        if let Ok(speaker) = speaker {
            let said = Said::Message(Message::Text(pair.response.clone()));
            speaker.claim(&said);
            speaker.say(said);
        }
        true
    }

    /// A message has come. It is dropped if the object has closed the socket.
    pub(super) fn bring(self: &Arc<Self>, number: u64, message: Message, share: Share) {
        let table = self.table.lock();
        if table.hears(number) {
            let stamp = table.stamp(number);
            drop(table);
            let arrival = Arrival::new(self.clone(), number, stamp, message, share);
            self.post(Event::message(arrival));
        }
    }

    /// The socket has ended at its other end.
    pub(super) fn ended(self: &Arc<Self>, number: u64, ending: Ending) {
        let mut table = self.table.lock();
        if table.ended(number) {
            let stamp = table.stamp(number);
            drop(table);
            let parting = Parting::new(self.clone(), number, stamp, ending);
            self.post(Event::ended(parting));
        }
    }

    fn post(&self, event: Event) {
        let object = &self.identity;
        self.post.send(&object.class, &Target::Id(object.id), event);
    }

    /// Does the object still hear messages of this socket?
    pub(super) fn hears(&self, number: u64) -> bool {
        self.table.lock().hears(number)
    }

    pub(super) fn knows(&self, number: u64) -> bool {
        self.table.lock().knows(number)
    }

    /// A message could not be given to the object. So that nothing is lost without a
    /// word, the socket is closed.
    pub(super) fn give_up(&self, number: u64) {
        let speaker = self.table.lock().for_close(number);
        if let Ok(Some(speaker)) = speaker {
            say_close(&speaker, TRY_LATER, "the object cannot take messages now");
        }
    }

    /// Forgets a socket whose end the object knows.
    pub(super) fn remove(&self, number: u64) {
        let speaker = self.table.lock().remove(number);
        if let Some(speaker) = speaker {
            speaker.belongs_to_nobody();
        }
    }
}

/// Says a Close of the host's own, which reveals nothing.
fn say_close(speaker: &Speaker, code: u16, reason: &str) {
    let said = Said::Close(Close {
        code: Some(code),
        reason: reason.into(),
    });
    speaker.claim(&said);
    speaker.say(said);
}
