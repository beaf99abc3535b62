//! What `[server]` and `[tls]` say.

use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;
use toml::{Spanned, Value};

use super::{ConfigError, Origin, listen_address};
use crate::limits::ServerLimits;
use crate::server::{RedirectConfig, TlsConfig};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of settings")]
pub(super) struct ServerTable {
    header_bytes_max: Option<Spanned<Value>>,
    body_bytes_max: Option<Spanned<Value>>,
    shutdown_grace_ms: Option<Spanned<Value>>,
    response_header_bytes_max: Option<Spanned<Value>>,
    pub connections_max: Option<Spanned<Value>>,
    streams_max: Option<Spanned<Value>>,
    header_timeout_ms: Option<Spanned<Value>>,
    idle_timeout_ms: Option<Spanned<Value>>,
    body_timeout_ms: Option<Spanned<Value>>,
    send_timeout_ms: Option<Spanned<Value>>,
    websocket_ping_ms: Option<Spanned<Value>>,
    connection_unsent_bytes_max: Option<Spanned<Value>>,
    unsent_bytes_max: Option<Spanned<Value>>,
    pub process_memory_bytes_max: Option<Spanned<Value>>,
    #[serde(default)]
    trusted_proxies: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with certificate and key")]
pub(super) struct TlsTable {
    certificate: Spanned<PathBuf>,
    key: Spanned<PathBuf>,
    redirect_from: Option<Spanned<String>>,
}

const DAY_MS: u64 = 24 * 3_600_000;

impl ServerTable {
    pub(super) fn over(
        &self,
        defaults: &ServerLimits,
        origin: &Origin,
    ) -> Result<ServerLimits, ConfigError> {
        let pick = |value: &Option<Spanned<Value>>, name, default, range| {
            origin.within(value, name, default, range)
        };
        let ms = |value, name, default| pick(value, name, default, 10..=DAY_MS);
        Ok(ServerLimits {
            header_bytes_max: pick(
                &self.header_bytes_max,
                "header_bytes_max",
                defaults.header_bytes_max as u64,
                1 << 10..=1 << 20,
            )? as usize,
            body_bytes_max: pick(
                &self.body_bytes_max,
                "body_bytes_max",
                defaults.body_bytes_max,
                0..=1 << 40,
            )?,
            shutdown_grace_ms: pick(
                &self.shutdown_grace_ms,
                "shutdown_grace_ms",
                defaults.shutdown_grace_ms,
                0..=3_600_000,
            )?,
            response_header_bytes_max: pick(
                &self.response_header_bytes_max,
                "response_header_bytes_max",
                defaults.response_header_bytes_max as u64,
                1 << 10..=1 << 24,
            )? as usize,
            connections_max: pick(
                &self.connections_max,
                "connections_max",
                defaults.connections_max as u64,
                1..=1_000_000,
            )? as usize,
            streams_max: pick(
                &self.streams_max,
                "streams_max",
                defaults.streams_max.into(),
                1..=10_000,
            )? as u32,
            header_timeout_ms: ms(
                &self.header_timeout_ms,
                "header_timeout_ms",
                defaults.header_timeout_ms,
            )?,
            idle_timeout_ms: ms(
                &self.idle_timeout_ms,
                "idle_timeout_ms",
                defaults.idle_timeout_ms,
            )?,
            body_timeout_ms: ms(
                &self.body_timeout_ms,
                "body_timeout_ms",
                defaults.body_timeout_ms,
            )?,
            send_timeout_ms: ms(
                &self.send_timeout_ms,
                "send_timeout_ms",
                defaults.send_timeout_ms,
            )?,
            websocket_ping_ms: ms(
                &self.websocket_ping_ms,
                "websocket_ping_ms",
                defaults.websocket_ping_ms,
            )?,
            connection_unsent_bytes_max: pick(
                &self.connection_unsent_bytes_max,
                "connection_unsent_bytes_max",
                defaults.connection_unsent_bytes_max as u64,
                1 << 16..=1 << 40,
            )? as usize,
            unsent_bytes_max: pick(
                &self.unsent_bytes_max,
                "unsent_bytes_max",
                defaults.unsent_bytes_max as u64,
                1 << 20..=1 << 40,
            )? as usize,
            process_memory_bytes_max: pick(
                &self.process_memory_bytes_max,
                "process_memory_bytes_max",
                defaults.process_memory_bytes_max,
                1 << 20..=1 << 40,
            )?,
            trusted_proxies: self.trusted_proxies(origin)?,
        })
    }

    fn trusted_proxies(&self, origin: &Origin) -> Result<Vec<IpNet>, ConfigError> {
        let parsed = self.trusted_proxies.iter().map(|text| {
            let address = text.get_ref();
            let network = address.parse::<IpNet>().ok();
            let single = || Some(IpNet::from(address.parse::<std::net::IpAddr>().ok()?));
            network.or_else(single).ok_or_else(|| {
                let message = format!(
                    "trusted_proxies: {address:?} is no address; \
                     write for example \"127.0.0.1\" or \"10.0.0.0/8\""
                );
                origin.error(origin.line(text.span().start), &message)
            })
        });
        parsed.collect()
    }
}

impl TlsTable {
    /// Paths are relative to `folder`.
    pub(super) fn within(self, folder: &Path, origin: &Origin) -> Result<TlsConfig, ConfigError> {
        let written = |path: &Spanned<PathBuf>| origin.written(path.span().start);
        let redirect = self.redirect_from.map(|from| -> Result<_, ConfigError> {
            let at = from.span().start;
            let refused =
                |why: String| origin.error(origin.line(at), &format!("redirect_from = {why}"));
            let from = listen_address(from.get_ref()).map_err(refused)?;
            let written = origin.written(at);
            Ok(RedirectConfig { from, written })
        });
        Ok(TlsConfig {
            certificate_written: written(&self.certificate),
            key_written: written(&self.key),
            certificate: origin.path("certificate", &self.certificate, folder)?,
            key: origin.path("key", &self.key, folder)?,
            redirect: redirect.transpose()?,
        })
    }
}
