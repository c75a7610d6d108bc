//! Owns reading certificates and keys from PEM files, and saying what is wrong with one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

/// A file that TLS cannot use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("{path}: 读不出 / cannot be read: {source}", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no PEM file, or damaged.
    #[error("{path}: 不是正确的 PEM 文件 / is no sound PEM file: {source}", path = path.display())]
    NotPem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// It has no certificate.
    #[error("{path}: 没有证书 (应有 -----BEGIN CERTIFICATE-----) / has no certificate", path = path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// It has no private key.
    #[error("{path}: 没有私钥, 或私钥有密码 (应有 -----BEGIN PRIVATE KEY-----) / has no private key, or one with a password", path = path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// The key is another certificate's.
    #[error("{key} 不是证书 {certificate} 的私钥 / is not the key of that certificate", key = key.display(), certificate = certificate.display())]
    AnotherKey {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The library refuses it.
    #[error("{path}: 无法使用 / cannot be used: {source}", path = path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Error,
    },
}

/// A certificate with its chain and key.
pub(super) fn certified_key(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::NoKey { path: key.to_owned() },
        source => TlsError::NotPem { path: key.to_owned(), source },
    })?;
    let certified = CertifiedKey::from_der(chain, private, provider).map_err(|source| match source {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::AnotherKey { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        // A certificate is parsed first, then the key is loaded; a key of an unknown kind says so itself.
        Error::InvalidCertificate(_) => TlsError::Unusable { path: certificate.to_owned(), source },
        source => TlsError::Unusable { path: key.to_owned(), source },
    })?;
    Ok(Arc::new(certified))
}

/// The authorities of a file.
pub(super) fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|source| TlsError::Unusable { path: file.to_owned(), source })?;
    }
    Ok(roots)
}

/// The system's authorities; what of them cannot be read is left out, and said.
pub(super) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "系统 CA 证书读不出 / a system certificate cannot be read");
    }
    let (_, ignored) = roots.add_parsable_certificates(found.certs);
    if ignored > 0 {
        tracing::debug!(ignored, "系统 CA 证书不可用 / system certificates that cannot be used");
    }
    roots
}

/// The certificates of a file, at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::NotPem { path: file.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: file.to_owned() });
    }
    Ok(certificates)
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|source| TlsError::Unreadable { path: file.to_owned(), source })
}
