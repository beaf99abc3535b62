//! What one object may use, and what one request may bring, where the
//! configuration says nothing else. Limits with a single reason stand where they
//! are kept.

/// What an object of a class may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// An object leaves memory when nothing happened for so long.
    pub idle_timeout_ms: u64,
    pub memory_bytes_max: u64,
    /// Between two waits.
    pub cpu_ms_max: u64,
    pub storage_bytes_max: u64,
    /// Events that wait for an object.
    pub mailbox_events_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // As on Cloudflare, where idle objects leave after about as long.
            idle_timeout_ms: 10_000,
            memory_bytes_max: 128 << 20,
            cpu_ms_max: 30_000,
            storage_bytes_max: 10 << 30,
            // More than this would wait for longer than a client does.
            mailbox_events_max: 1_000,
        }
    }
}

/// What a client may send, and how long it is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Names and values of all headers of a request.
    pub header_bytes_max: usize,
    pub body_bytes_max: u64,
    /// How long requests may go on after the server was told to stop.
    pub shutdown_grace_ms: u64,
}

impl Default for ServerLimits {
    fn default() -> ServerLimits {
        ServerLimits {
            // Four times what common servers and proxies let through.
            header_bytes_max: 32 << 10,
            body_bytes_max: 100 << 20,
            // Within the half minute that service managers wait before they kill.
            shutdown_grace_ms: 10_000,
        }
    }
}
