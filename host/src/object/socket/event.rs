//! What a socket brings to its object.

use std::sync::Arc;

use super::bounds::Share;
use super::sockets::Sockets;
use super::{Ending, Message};
use crate::object::input_gate::Stamp;

/// A message on its way to its object. One that does not get there ends its socket.
pub struct Arrival {
    sockets: Arc<Sockets>,
    number: u64,
    pub stamp: Stamp,
    message: Option<Message>,
    /// Given back when the object has taken the message.
    share: Option<Share>,
}

/// The end of a socket, which is forgotten when this is dropped: when its object has
/// dealt with it, or cannot.
pub struct Parting {
    sockets: Arc<Sockets>,
    pub number: u64,
    pub stamp: Stamp,
    ending: Option<Ending>,
}

impl Arrival {
    pub(super) fn new(
        sockets: Arc<Sockets>,
        number: u64,
        stamp: Stamp,
        message: Message,
        share: Share,
    ) -> Arrival {
        Arrival {
            sockets,
            number,
            stamp,
            message: Some(message),
            share: Some(share),
        }
    }

    /// The socket and its message, unless it was closed or dropped meanwhile.
    pub fn take(mut self) -> Option<(u64, Message)> {
        self.share = None;
        let message = self.message.take()?;
        self.sockets
            .hears(self.number)
            .then_some((self.number, message))
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.message.is_some() {
            self.sockets.give_up(self.number);
        }
    }
}

impl Parting {
    pub(super) fn new(sockets: Arc<Sockets>, number: u64, stamp: Stamp, ending: Ending) -> Parting {
        Parting {
            sockets,
            number,
            stamp,
            ending: Some(ending),
        }
    }

    /// How the socket ended, unless the object has dropped it meanwhile.
    pub fn take(&mut self) -> Option<Ending> {
        let ending = self.ending.take()?;
        self.sockets.knows(self.number).then_some(ending)
    }
}

impl Drop for Parting {
    fn drop(&mut self) {
        self.sockets.remove(self.number);
    }
}
