//! What is said through WebSockets.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Measured, Measurer};
use crate::crowd::Crowd;
use crate::disturbance::Meter;
use crate::rows::Class;
use crate::servers::{EVICTED_AFTER, Server};
use crate::statistics::percentile;

const SLEEPERS: usize = 300;
const LISTENERS: usize = 1000;
const SAID_TO_ALL: usize = 100;
const ROOM_MEMBERS: usize = 10;
const SAID_IN_A_ROOM: usize = 500;

impl Measurer {
    /// Each message wakes another object.
    pub(super) fn measure_socket_wake(&mut self, server: &Server) -> Result<Measured> {
        let before = self.fresh_path(Class::Room);
        let paths = (0..SLEEPERS).map(|number| format!("{before}{number}"));
        let mut crowd = Crowd::open(server.address, paths)?;
        crowd.echo_each()?;
        std::thread::sleep(EVICTED_AFTER);
        self.wait_for_quiet();
        let meter = Meter::start(server.pid());
        let latencies = crowd.echo_each()?;
        latency(latencies, meter)
    }

    pub(super) fn measure_fan_out(&mut self, server: &Server) -> Result<Measured> {
        let path = format!("{}0", self.fresh_path(Class::Room));
        let mut crowd = Crowd::open(server.address, (0..LISTENERS).map(|_| path.clone()))?;
        crowd.say_to_all("warm-up", 5)?;
        self.wait_for_quiet();
        let meter = Meter::start(server.pid());
        let took: Duration = crowd
            .say_to_all("hello, everybody", SAID_TO_ALL)?
            .iter()
            .sum();
        let deliveries = (LISTENERS * SAID_TO_ALL) as u64;
        Ok(Measured {
            value: deliveries as f64 / took.as_secs_f64(),
            answers: deliveries,
            p99_us: None,
            usage: Some(meter.end()),
        })
    }

    pub(super) fn measure_chat(&mut self, server: &Server) -> Result<Measured> {
        let path = format!("{}0", self.fresh_path(Class::Room));
        let mut crowd = Crowd::open(server.address, (0..ROOM_MEMBERS).map(|_| path.clone()))?;
        crowd.say_to_all("! warm-up", 20)?;
        self.wait_for_quiet();
        let meter = Meter::start(server.pid());
        let latencies = crowd.say_to_all("! hello, everybody", SAID_IN_A_ROOM)?;
        latency(latencies, meter)
    }
}

fn latency(latencies: Vec<Duration>, meter: Meter) -> Result<Measured> {
    let usage = meter.end();
    let mut nanos: Vec<u64> = latencies.iter().map(|it| it.as_nanos() as u64).collect();
    nanos.sort_unstable();
    let us = |share| {
        let found = percentile(&nanos, share).map(|ns| ns as f64 / 1000.0);
        found.context("nothing was heard")
    };
    Ok(Measured {
        value: us(0.5)?,
        answers: nanos.len() as u64,
        p99_us: Some(us(0.99)?),
        usage: Some(usage),
    })
}
