//! What one object may use, and what one request may bring, where the
//! configuration says nothing else. Limits with a single reason stand where they
//! are kept.

use ipnet::IpNet;

use crate::{descriptors, memory};

/// What an object of a class may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// An object leaves memory when nothing happened for so long. None: as long as suits
    /// what becomes of its memory.
    pub idle_timeout_ms: Option<u64>,
    pub memory_bytes_max: u64,
    /// CPU time since the last event began, less the time in which it waited.
    pub cpu_ms_max: u64,
    /// How long an alarm's handler may take, waits included.
    pub alarm_ms_max: u64,
    pub storage_bytes_max: u64,
    /// Events that wait for an object.
    pub mailbox_events_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            idle_timeout_ms: None,
            memory_bytes_max: 128 << 20,
            cpu_ms_max: 30_000,
            // As on Cloudflare.
            alarm_ms_max: 15 * 60_000,
            storage_bytes_max: 10 << 30,
            // More than this would wait for longer than a client does.
            mailbox_events_max: 1_000,
        }
    }
}

/// What a client may send, how much is kept for it and how long it is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Names and values of all headers of a request.
    pub header_bytes_max: usize,
    pub body_bytes_max: u64,
    /// How long requests may go on after the server was told to stop.
    pub shutdown_grace_ms: u64,
    /// Names and values of all headers of an object's response.
    pub response_header_bytes_max: usize,
    /// Open at once. Beyond it the one that is silent for longest is closed.
    pub connections_max: usize,
    /// Requests at once on one connection of HTTP/2.
    pub streams_max: u32,
    /// From the first byte of a request's head, or the beginning of the
    /// connection, to the end of the head.
    pub header_timeout_ms: u64,
    /// Between two requests of a connection.
    pub idle_timeout_ms: u64,
    /// While a body is waited for and too little of it comes.
    pub body_timeout_ms: u64,
    /// While there is something to send and the client takes nothing.
    pub send_timeout_ms: u64,
    /// A WebSocket on which nothing came for so long is pinged, and closed when nothing
    /// comes for as long again.
    pub websocket_ping_ms: u64,
    /// What objects answered and a connection's client did not take yet.
    pub connection_unsent_bytes_max: usize,
    /// The same for all connections together.
    pub unsent_bytes_max: usize,
    /// What the whole process may hold in memory.
    pub process_memory_bytes_max: u64,
    /// Proxies whose word about the client counts.
    pub trusted_proxies: Vec<IpNet>,
}

/// Header fields of a response; more than any server or client deals with.
pub const RESPONSE_HEADERS_MAX: usize = 1_000;

/// A body of which less than this comes in a second, on average over the time for
/// a body, does not come on. Slower than the slowest modem.
pub const BODY_BYTES_PER_SECOND_MIN: u64 = 100;

impl Default for ServerLimits {
    fn default() -> ServerLimits {
        ServerLimits {
            // Four times what common servers and proxies let through.
            header_bytes_max: 32 << 10,
            body_bytes_max: 100 << 20,
            // Within the half minute that service managers wait before they kill.
            shutdown_grace_ms: 10_000,
            // Far more than clients take: most stop at 16 to 64 KiB.
            response_header_bytes_max: 256 << 10,
            connections_max: descriptors::connections_max(),
            // What clients are told to expect at least (RFC 9113 speaks of 100).
            streams_max: 128,
            header_timeout_ms: 30_000,
            // Longer than proxies keep their connections, commonly 60 s: who
            // closes first must not be the one who cannot know of a request that
            // is under way.
            idle_timeout_ms: 75_000,
            body_timeout_ms: 30_000,
            send_timeout_ms: 60_000,
            // Below the minute after which proxies take a silent connection for dead.
            websocket_ping_ms: 50_000,
            // Two bodies of a large page at once, or 128 of half a megabyte.
            connection_unsent_bytes_max: 64 << 20,
            unsent_bytes_max: 512 << 20,
            process_memory_bytes_max: memory::default_budget(),
            trusted_proxies: Vec::new(),
        }
    }
}
