//! Owns TLS for peers that speak none: a tunnel between their TCP and the switch, with a certificate of the test's choice.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::Certificates;

/// A tunnel, closed when dropped.
#[derive(Debug)]
pub struct Tunnel {
    /// Where it listens.
    pub at: SocketAddr,
    _runtime: Runtime,
}

impl Tunnel {
    /// Takes TLS at `host`, shows a certificate for `names`, and passes what comes to `peer` by TCP.
    pub fn takes_tls(
        host: Ipv4Addr,
        certificates: &Certificates,
        names: &[&str],
        peer: SocketAddr,
    ) -> Tunnel {
        let (certificate, key) = certificates.named(names);
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Tunnel::listen(host, move |outer| {
            let acceptor = acceptor.clone();
            async move {
                // Who does not trust the certificate leaves in the middle: the switch's side is what is looked at.
                let Ok(mut outer) = acceptor.accept(outer).await else { return };
                let Ok(mut inner) = TcpStream::connect(peer).await else { return };
                let _ = copy_bidirectional(&mut outer, &mut inner).await;
            }
        })
    }

    /// Takes TCP at `host`, and passes what comes by TLS to `switch`, from `host` too and with a certificate for
    /// `names`.
    pub fn gives_tls(
        host: Ipv4Addr,
        certificates: &Certificates,
        names: &[&str],
        switch: SocketAddr,
    ) -> Tunnel {
        let (certificate, key) = certificates.named(names);
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(certificates.roots())
            .with_client_auth_cert(vec![certificate], key)
            .expect("a certificate and its key");
        let connector = TlsConnector::from(Arc::new(config));
        Tunnel::listen(host, move |mut inner| {
            let connector = connector.clone();
            async move {
                let Ok(socket) = TcpSocket::new_v4() else { return };
                if socket.bind((host, 0).into()).is_err() {
                    return;
                }
                let Ok(outer) = socket.connect(switch).await else { return };
                let name = ServerName::IpAddress(switch.ip().into());
                let Ok(mut outer) = connector.connect(name, outer).await else { return };
                let _ = copy_bidirectional(&mut inner, &mut outer).await;
            }
        })
    }

    fn listen<F>(host: Ipv4Addr, pass: impl Fn(TcpStream) -> F + Send + 'static) -> Tunnel
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((host, 0))).expect("a free port");
        let at = listener.local_addr().expect("a bound socket has an address");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream));
            }
        });
        Tunnel { at, _runtime: runtime }
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
