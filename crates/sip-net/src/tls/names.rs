//! Owns whom a certificate is for in SIP, and the check of a server's. RFC 5922 §7.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The SIP domains that a certificate is for, lower case. RFC 5922 §7.1: its `sip:` URIs where it has any, else its
/// DNS names; never its subject. §7.2: a wildcard stands for nothing.
pub(crate) fn names_of(certificate: &CertificateDer<'_>) -> Vec<Box<str>> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    let uris: Vec<Box<str>> = certificate.valid_uri_names().filter_map(domain_of).collect();
    if !uris.is_empty() {
        return uris;
    }
    let is_whole = |name: &&str| !name.contains('*');
    certificate.valid_dns_names().filter(is_whole).map(|name| name.to_ascii_lowercase().into()).collect()
}

/// The domain of a `sip:` URI without a user, which is an identity of a domain and not of a person.
fn domain_of(uri: &str) -> Option<Box<str>> {
    let scheme = uri.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("sip:"))?;
    let domain = &uri[scheme.len()..];
    (!domain.is_empty() && !domain.contains(['@', ';', '?', ':'])).then(|| domain.to_ascii_lowercase().into())
}

/// Checks the certificates of servers that we connect to.
#[derive(Debug)]
pub(super) struct SipServer {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl SipServer {
    /// Trusts what `roots` vouch for.
    pub fn new(roots: Arc<RootCertStore>, provider: &CryptoProvider) -> SipServer {
        SipServer { roots, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for SipServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        match server_name {
            ServerName::DnsName(wanted) => {
                let names = names_of(end_entity);
                if !names.iter().any(|name| name.eq_ignore_ascii_case(wanted.as_ref())) {
                    return Err(Error::InvalidCertificate(CertificateError::NotValidForName));
                }
            }
            // An address is no SIP domain: the certificate must name it as an address.
            other => verify_server_name(&parsed, other)?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
