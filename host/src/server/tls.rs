//! Which certificate does the server show, and is it still the newest?
//!
//! Certificates are renewed while a server runs. The files are looked at now and
//! then; a pair that cannot be used is logged, and the one before stays.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use arc_swap::ArcSwap;
use memchr::memmem;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::regular_file;
use crate::written::Written;

/// How often to look for new files.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How the server speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    pub certificate: PathBuf,
    pub certificate_written: Written,
    pub key: PathBuf,
    pub key_written: Written,
    pub redirect: Option<RedirectConfig>,
}

/// An address whose requests in plain HTTP are sent on to HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectConfig {
    pub from: String,
    pub written: Written,
}

pub struct Tls {
    files: TlsConfig,
    /// What the files were before they were first read.
    first: Stamp,
    current: ArcSwap<ServerConfig>,
}

/// What changes when a file is written anew or another is put in its place.
type Stamp = Vec<Option<(u64, i64, i64, u64)>>;

impl Tls {
    pub fn load(files: &TlsConfig) -> Result<Tls> {
        let first = stamp(files);
        Ok(Tls {
            first,
            current: ArcSwap::from_pointee(read(files)?),
            files: files.clone(),
        })
    }

    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Takes new files whenever there are some.
    pub async fn renew(self: Arc<Tls>) {
        let mut seen = self.first.clone();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = stamp(&self.files);
            if now == seen {
                continue;
            }
            seen = now;
            match read(&self.files) {
                Ok(config) => {
                    self.current.store(Arc::new(config));
                    tracing::info!("the new certificate is shown from now on");
                }
                Err(error) => tracing::error!("{error:#}; the certificate before stays"),
            }
        }
    }
}

fn read(files: &TlsConfig) -> Result<ServerConfig> {
    let (certificate_written, key_written) = (&files.certificate_written, &files.key_written);
    let certificates = certificate_written.blamed(certificates(&files.certificate))?;
    let key = key_written.blamed(key(&files.key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .with_context(|| {
            let (certificate, key) = (files.certificate.display(), files.key.display());
            format!("tls: {certificate} and {key} cannot be used together")
        });
    let mut config = certificate_written.blamed(config)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = regular_file::read(file).with_context(|| cannot_read("certificate", file))?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| cannot_read("certificate", file))?;
    ensure!(
        !certificates.is_empty(),
        "tls.certificate: {} has no certificate; it must have the chain in PEM",
        file.display()
    );
    Ok(certificates)
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let text = regular_file::read(file).with_context(|| cannot_read("key", file))?;
    PrivateKeyDer::from_pem_slice(&text).or_else(|error| {
        let is_encrypted = memmem::find(&text, b"ENCRYPTED").is_some();
        ensure!(
            !is_encrypted,
            "tls.key: {} is encrypted, and nobody is there to type its password; keep it so that \
             only the server can read it, and write it as it is: openssl pkey -in {0} -out KEY.pem",
            file.display()
        );
        Err(error).with_context(|| cannot_read("key", file))
    })
}

fn cannot_read(what: &str, file: &Path) -> String {
    format!("tls.{what}: cannot read {} as PEM", file.display())
}

fn stamp(files: &TlsConfig) -> Stamp {
    let stamps = [&files.certificate, &files.key].map(|file| {
        let about = fs::metadata(file).ok()?;
        Some((about.ino(), about.mtime(), about.mtime_nsec(), about.size()))
    });
    stamps.into()
}
