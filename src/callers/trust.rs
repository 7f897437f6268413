//! Which certificates a server is trusted by, where this program is the client.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// By those that were given, or else by those that this machine trusts.
pub fn tls(given: Option<Arc<Vec<Certificate<'static>>>>) -> TlsConfig {
    let roots = given.unwrap_or_else(|| {
        // What cannot be read there is not trusted.
        let found = rustls_native_certs::load_native_certs().certs;
        Arc::new(found.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
    });
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(roots))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build()
}
