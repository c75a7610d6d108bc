//! Owns what a certificate file says of itself, for who looks at it before a switch uses it. Does not own its use (see
//! [`super::Tls`]).

use std::path::Path;

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

use super::{TlsError, expiry, names_of, pem};

/// The first certificate of a PEM file: the one that is shown as one's own.
#[derive(Clone, Debug)]
pub struct CertificateFile {
    certificate: CertificateDer<'static>,
}

impl CertificateFile {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read, is no PEM, or has no certificate.
    pub fn read(file: &Path) -> Result<CertificateFile, TlsError> {
        let mut chain = pem::certificates(file)?;
        // The reader refuses a file without one.
        Ok(CertificateFile { certificate: chain.swap_remove(0) })
    }

    /// From when until when it is valid, in seconds since 1970; `None` when it does not say so.
    pub fn validity(&self) -> Option<(i64, i64)> {
        expiry::validity(&self.certificate)
    }

    /// The SIP domains that it is for, lower case. RFC 5922 §7.1.
    pub fn names(&self) -> Vec<Box<str>> {
        names_of(&self.certificate)
    }

    /// Whether it is for `host`: a SIP domain, or an address in its text form.
    pub fn is_for(&self, host: &str) -> bool {
        match ServerName::try_from(host.to_owned()) {
            Ok(address @ ServerName::IpAddress(_)) => ParsedCertificate::try_from(&self.certificate)
                .is_ok_and(|parsed| verify_server_name(&parsed, &address).is_ok()),
            _ => self.names().iter().any(|name| name.eq_ignore_ascii_case(host)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_whom_it_is_for_and_a_file_without_a_certificate_says_so() {
        let folder = std::env::temp_dir().join(format!("hotline-certificate-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("one.pem");
        let names = ["sip.example.cn", "*.example.cn", "192.0.2.1"].map(str::to_owned);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        std::fs::write(&file, made.pem()).unwrap();
        let read = CertificateFile::read(&file).unwrap();
        assert_eq!(read.names(), ["sip.example.cn".into()]);
        for (host, is_for) in [
            ("SIP.example.cn", true),
            ("a.example.cn", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("", false),
        ] {
            assert_eq!(read.is_for(host), is_for, "{host}");
        }
        assert!(read.validity().is_some_and(|(begin, end)| begin < end));
        std::fs::write(&file, key.serialize_pem()).unwrap();
        assert!(matches!(CertificateFile::read(&file), Err(TlsError::NoCertificate { .. })));
        assert!(matches!(CertificateFile::read(&folder.join("none")), Err(TlsError::Unreadable { .. })));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
