//! Owns certificates of tests: an authority, and what it vouches for, as PEM files.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::switch::new_folder;

/// A folder with `ca.pem`, `sip.pem` and `sip.key`, removed at the end.
#[derive(Debug)]
pub struct Certificates {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    authority: CertificateDer<'static>,
}

impl Certificates {
    /// A new authority, which vouches for a switch at `address`.
    pub fn make(address: IpAddr) -> Certificates {
        let folder = new_folder();
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
        // OpenSSL takes a certificate for its own issuer when both have one name.
        parameters.distinguished_name.push(DnType::CommonName, "authority of a test");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("signed");
        std::fs::write(folder.join("ca.pem"), certificate.pem()).expect("written");
        let authority = certificate.der().clone();
        let made = Certificates { folder, issuer: Issuer::new(parameters, key), authority };
        made.vouch(address);
        made
    }

    /// Writes another certificate for the switch; returns its DER.
    pub fn vouch(&self, address: IpAddr) -> Vec<u8> {
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
        parameters.distinguished_name.push(DnType::CommonName, "switch of a test");
        parameters.subject_alt_names.push(SanType::IpAddress(address));
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("signed");
        // The key first: a reader between the two sees a pair that does not fit, and keeps what it has.
        std::fs::write(self.folder.join("sip.key"), key.serialize_pem()).expect("written");
        std::fs::write(self.folder.join("sip.pem"), certificate.pem()).expect("written");
        certificate.der().to_vec()
    }

    /// A certificate for these names, with its key.
    pub fn named(&self, names: &[&str]) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(names).expect("names");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("signed");
        (certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    /// What trusts the authority alone.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("an authority");
        roots
    }

    /// The authority's file.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// What turns a listener of configs/bench into one that serves everything, each at a port of the system's choice.
    pub fn listener(&self) -> String {
        let file = |name: &str| Path::display(&self.folder.join(name)).to_string();
        format!(
            "transports = [\"udp\", \"tcp\", \"tls\", \"ws\", \"wss\"]\ntls_port = 0\nws_port = 0\nwss_port = 0\n\
             certificate = \"{}\"\nkey = \"{}\"",
            file("sip.pem"),
            file("sip.key")
        )
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
