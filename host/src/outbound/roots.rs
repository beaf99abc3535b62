//! How TLS is spoken to servers, and whom of them to believe.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use crate::object::error::ObjectError;

/// Read when the first object asks: most servers never need them.
static CONFIG: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();

/// Speaks TLS with servers whom the system's authorities vouch for.
pub async fn config() -> Result<ClientConfig, ObjectError> {
    let config = CONFIG.get_or_try_init(async || {
        let read = tokio::task::spawn_blocking(read);
        let read = read.await.map_err(|error| error.to_string());
        read.and_then(|config| config)
            .map_err(ObjectError::unavailable)
    });
    Ok(ClientConfig::clone(config.await?))
}

fn read() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let causes: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "the system trusts no authority, so no server can be reached by https: install its \
             certificates (ca-certificates), or name a file of them with SSL_CERT_FILE {}",
            causes.join("; ")
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
