//! TLS: the certificate that the server shows, read anew when its files change, and whose certificates it asks for.
//!
//! A certificate that cannot be used never takes the place of one that can: the old one is shown on, and the log says why.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tracing::{error, info};

/// How often it is looked whether the files have changed.
pub(super) const RELOADED_EVERY: Duration = Duration::from_secs(2);
/// Longest time for a handshake.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Largest file of certificates or of a key, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where a server's certificates are, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and behind it those that lead to one that clients know.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates of which clients must have one that it has signed; `None`: they need none.
    pub client_ca: Option<PathBuf>,
}

/// Why certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The certificate and the key are no pair, or not of a kind that is supported.
    #[error("cannot use the certificate in `{}` with the key in `{}`: {reason}", cert.display(), key.display())]
    Pair {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        reason: rustls::Error,
    },
    /// The certificates of those that sign clients' cannot be used.
    #[error("cannot use the certificates in `{}`: {reason}", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The texts of the files.
#[derive(PartialEq, Eq)]
struct Read {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What new connections are secured with.
pub struct Tls {
    files: TlsFiles,
    shown: ArcSwap<ServerConfig>,
    /// What was read last, whether it can be used or not, so that what cannot is told once.
    read: Mutex<Read>,
}

impl Tls {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let read = Read::of(&files)?;
        let config = configured(&files, &read)?;
        Ok(Self { files, shown: ArcSwap::from_pointee(config), read: Mutex::new(read) })
    }

    /// Reads the files again and, where they have changed and can be used, shows what is in them to connections from now on.
    /// Tells the log of either. Blocks.
    pub fn reload(&self) {
        let read = match Read::of(&self.files) {
            Ok(read) => read,
            Err(error) => {
                // A file is missing for a moment where it is replaced; if it stays so, each look tells it.
                error!(%error, "the certificate was not renewed; the old one is shown on");
                return;
            }
        };
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == read {
            return;
        }
        match configured(&self.files, &read) {
            Ok(config) => {
                self.shown.store(Arc::new(config));
                info!(cert = %self.files.cert.display(), "the certificate was renewed");
            }
            Err(error) => error!(%error, "the certificate was not renewed; the old one is shown on"),
        }
        *last = read;
    }

    /// What secures one connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.shown.load_full())
    }
}

impl Read {
    fn of(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            cert: read(&files.cert)?,
            key: read(&files.key)?,
            client_ca: files.client_ca.as_deref().map(read).transpose()?,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |reason: String| TlsError::Read { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        Ok(bytes)
    } else {
        Err(failed(format!("it is too large; at most {FILE_BYTES_MAX} bytes are allowed")))
    }
}

fn configured(files: &TlsFiles, read: &Read) -> Result<ServerConfig, TlsError> {
    let malformed = |path: &Path, reason: String| TlsError::Read { path: path.to_owned(), reason };
    let chain = certificates(&read.cert).map_err(|reason| malformed(&files.cert, reason))?;
    let key = PrivateKeyDer::from_pem_slice(&read.key);
    let key =
        key.map_err(|error| malformed(&files.key, format!("expected a private key in PEM: {error}")))?;
    let provider = Arc::new(ring::default_provider());
    let pair = |reason| TlsError::Pair { cert: files.cert.clone(), key: files.key.clone(), reason };
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let config = config.with_safe_default_protocol_versions().map_err(pair)?;
    let config = match (&files.client_ca, &read.client_ca) {
        (Some(path), Some(bytes)) => {
            let failed = |reason| TlsError::ClientCa { path: path.clone(), reason };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(bytes).map_err(failed)? {
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().map_err(|error| failed(error.to_string()))?)
        }
        _ => config.with_no_client_auth(),
    };
    let mut config = config.with_single_cert(chain, key).map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// At least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err("expected a certificate in PEM, found none".to_owned()),
        Err(error) => Err(format!("expected certificates in PEM: {error}")),
    }
}
