//! Does the host keep its promises?
//!
//! Each test is named as one of them. Tests whose names begin with `slow_` take more
//! than a few seconds.

mod bad_configuration;
mod bad_requests;
mod constructors;
mod crashes;
mod data;
mod disk_faults;
mod disk_recording;
mod gates;
mod http;
mod isolation;
mod languages;
mod life_cycle;
mod power_loss;
mod streams;
mod tidy;
mod turns;
mod workload;
