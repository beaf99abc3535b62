//! One file for each interface that an object imports: from the world's types to
//! what does the work, and back.

mod alarms;
mod callers;
mod http;
mod kv;
mod sql;
mod state;
mod storage;
mod stubs;
mod timers;
mod transactions;
mod types;
mod websockets;
