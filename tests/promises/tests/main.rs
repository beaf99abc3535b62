//! Does the host keep its promises?
//!
//! Each test is named as one of them. Tests whose names begin with `slow_` take more
//! than a few seconds.

mod alarms;
mod bad_configuration;
mod bad_requests;
mod bodies;
mod constructors;
mod crashes;
mod data;
mod disk_faults;
mod disk_recording;
mod environment;
mod forks;
mod framing;
mod fuzz;
mod gates;
mod gateway;
mod hosts;
mod http;
mod isolation;
mod javascript;
mod languages;
mod leaks;
mod leaving;
mod life_cycle;
mod log;
mod memory;
mod memory_crashes;
mod migrations;
mod outbound;
mod outbound_tls;
mod patience;
mod power_loss;
mod proxies;
mod references;
mod rust_sdk;
mod slow_clients;
mod socket_crowds;
mod socket_ends;
mod socket_frames;
mod socket_ways;
mod sockets;
mod stopping;
mod streams;
mod stubs;
mod tidy;
mod tls;
mod turns;
mod workload;
