//! What is left of objects that were evicted.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use super::{Measured, Measurer, SETTLE, plan};
use crate::crowd::Crowd;
use crate::load;
use crate::prepare::Prepared;
use crate::process::proportional_memory_kb;
use crate::rows::{Class, Crowding};
use crate::servers::{EVICTED_AFTER, Kind, Residence, Server};

const EVICTED_OBJECTS: u64 = 3000;
const SOCKETS: usize = 2000;

impl Measurer {
    pub(super) fn measure_evicted_memory(
        &mut self,
        kind: Kind,
        prepared: &Prepared,
    ) -> Result<Measured> {
        let server = Server::start(kind, Residence::Evicting, prepared)?;
        let touch = |before: &str, count| {
            load::run(&plan(&server, Class::Counter, before, 8, count), || ())?.check()
        };
        // What the allocator keeps for the next objects is not what is left of the last.
        touch(&self.fresh_path(Class::Counter), EVICTED_OBJECTS)?;
        std::thread::sleep(EVICTED_AFTER + SETTLE);
        let before_kb = proportional_memory_kb(server.pid())?;
        let objects = self.fresh_path(Class::Counter);
        touch(&objects, EVICTED_OBJECTS)?;
        std::thread::sleep(EVICTED_AFTER + SETTLE);
        let after_kb = proportional_memory_kb(server.pid())?;
        let value = (after_kb as f64 - before_kb as f64) / EVICTED_OBJECTS as f64;
        // A process that shrank meanwhile has no more than nothing left of them.
        Ok(Measured::memory(value.max(0.01), EVICTED_OBJECTS))
    }

    pub(super) fn measure_socket_memory(
        &mut self,
        kind: Kind,
        per_object: Crowding,
        prepared: &Prepared,
    ) -> Result<Measured> {
        let server = Server::start(kind, Residence::Evicting, prepared)?;
        let before = self.fresh_path(Class::Room);
        let path = |number: usize| match per_object {
            Crowding::AllOnOne => format!("{before}0"),
            Crowding::OneEach => format!("{before}{number}"),
        };
        let mut first = Crowd::open(server.address, (0..10).map(&path))?;
        first.echo_each()?;
        std::thread::sleep(EVICTED_AFTER + SETTLE);
        let before_kb = proportional_memory_kb(server.pid())?;
        let mut crowd = Crowd::open(server.address, (10..10 + SOCKETS).map(path))?;
        crowd.echo_each()?;
        std::thread::sleep(EVICTED_AFTER + SETTLE);
        let after_kb = proportional_memory_kb(server.pid())?;
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        // All are still there, and were evicted.
        let woken = server.woken();
        crowd.echo_each()?;
        let born: u128 = load::get(server.address, &format!("{before}0/born"))?.parse()?;
        if server.keeps_memory(Class::Room) {
            server.check_woken(woken + 1)?;
        } else {
            ensure!(
                born >= now_ms,
                "the objects were not evicted after {EVICTED_AFTER:?}"
            );
        }
        let value = (after_kb as f64 - before_kb as f64) / SOCKETS as f64;
        ensure!(value > 0.0, "{SOCKETS} sockets made the process no larger");
        Ok(Measured::memory(value, SOCKETS as u64))
    }
}
