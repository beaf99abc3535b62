//! Brings to an object what another object says to it through a socket.

use std::future::poll_fn;
use std::sync::Arc;

use super::Ending;
use super::TRY_LATER;
use super::line::{Heard, Inlet, Said};
use super::sockets::Sockets;
use crate::workers;

pub fn start(mut inlet: Inlet, sockets: Arc<Sockets>, number: u64) {
    workers::spawn(async move {
        let ending = loop {
            match poll_fn(|cx| inlet.poll_next(cx)).await {
                Heard::Said(Said::Message(message)) => {
                    if !sockets.answers(number, &message) {
                        let share = sockets.room.take(message.bytes()).await;
                        sockets.bring(number, message, share);
                    }
                }
                Heard::Said(Said::Close(close)) => break Ending::by_peer(close),
                Heard::TooMuch => break Ending::unclean(TRY_LATER, "too much is said"),
                Heard::Nothing => break Ending::dropped(),
            }
        };
        sockets.ended(number, ending);
    });
}
