//! TLS and WebSocket over real loopback sockets, with a small machine in the shard's place.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use sip::endpoint::{Advertised, OtherPorts};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use super::*;
use crate::shard_loop::tests::{Rig, is_closed, message};
use crate::tls::{Clients, ListenerFiles, OldestVersion, PeerRule, TlsConfig};
use crate::{Listen, TlsError};

/// Who vouches for certificates, and a folder of its own for PEM files.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    folder: PathBuf,
}

/// A certificate with its key.
struct Identity {
    pem: String,
    key_pem: String,
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Authority {
    fn make() -> Authority {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hotline-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        std::fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
        let root = certificate.der().clone();
        Authority { issuer: Issuer::new(parameters, key), root, folder }
    }

    fn vouch(&self, names: &[&str]) -> Identity {
        self.vouch_with(names, &[])
    }

    fn vouch_with(&self, names: &[&str], uris: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        let uri = |uri: &&str| SanType::URI((*uri).try_into().unwrap());
        parameters.subject_alt_names.extend(uris.iter().map(uri));
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Identity {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            chain: vec![certificate.der().clone()],
            key,
        }
    }

    /// Writes `identity` to the files that a listener reads.
    fn install(&self, identity: &Identity) {
        std::fs::write(self.folder.join("sip.pem"), &identity.pem).unwrap();
        std::fs::write(self.folder.join("sip.key"), &identity.key_pem).unwrap();
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    fn config(&self, clients: Clients, peers: Vec<PeerRule>) -> TlsConfig {
        let files = ListenerFiles {
            certificate: self.folder.join("sip.pem"),
            key: self.folder.join("sip.key"),
            clients,
        };
        TlsConfig { listeners: vec![Some(files)], peers, oldest: OldestVersion::Tls12 }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        roots
    }

    /// Connects to `address` as a client that trusts this authority and shows `identity`.
    fn connect(
        &self,
        address: SocketAddr,
        identity: Option<&Identity>,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => config.with_client_auth_cert(identity.chain.clone(), identity.key()).unwrap(),
        };
        let name = ServerName::try_from("sip.example.cn").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
    }

    /// A carrier's server that shows `identity`; asks for no certificate.
    fn serve(identity: &Identity) -> (TcpListener, Arc<ServerConfig>) {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(identity.chain.clone(), identity.key())
            .unwrap();
        (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(config))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Identity {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A switch that serves everything, with a certificate of `authority` for sip.example.cn.
fn rig(authority: &Authority, clients: Clients, limits: StreamLimits) -> Rig {
    authority.install(&authority.vouch(&["sip.example.cn"]));
    rig_with(&authority.config(clients, Vec::new()), limits)
}

fn rig_with(config: &TlsConfig, limits: StreamLimits) -> Rig {
    let others = OtherPorts { tls: Some(0), ws: Some(0), wss: Some(0) };
    let listen = Listen { others, ..Listen::plain("lan", "127.0.0.1:0".parse().unwrap()) };
    let rig = Rig::start_on(listen, 1, limits);
    rig.transports.set_tls(Arc::new(Tls::load(config.clone()).unwrap()));
    rig
}

fn at(rig: &Rig, transport: Transport) -> SocketAddr {
    let advertised: &Advertised = &rig.transports.advertised()[0];
    SocketAddr::new(rig.address.ip(), advertised.port_of(transport))
}

fn read<const N: usize>(stream: &mut impl Read, _: [(); N]) -> Vec<u8> {
    let mut came = vec![0; N];
    stream.read_exact(&mut came).unwrap();
    came
}

fn read_as_long_as(stream: &mut impl Read, wanted: &[u8]) -> Vec<u8> {
    let mut came = vec![0; wanted.len()];
    stream.read_exact(&mut came).unwrap();
    came
}

fn ended(rig: &Rig, end: StreamEnd) -> u64 {
    rig.transports.counts().streams_ended.of(end)
}

#[test]
fn messages_over_tls_in_one_byte_pieces_are_answered_on_their_connection() {
    let authority = Authority::make();
    let rig = rig(&authority, Clients::NotAsked, StreamLimits::default());
    let mut peer = authority.connect(at(&rig, Transport::Tls), None);
    let two = [message("INVITE", 1), message("OPTIONS", 2)].concat();
    for byte in &two {
        peer.write_all(std::slice::from_ref(byte)).unwrap();
        peer.flush().unwrap();
    }
    assert_eq!(read_as_long_as(&mut peer, &two), two);
    peer.write_all(b"\r\n\r\n").unwrap();
    assert_eq!(read(&mut peer, [(); 2]), b"\r\n");
    rig.stop();
}

#[test]
fn a_peer_with_a_certificate_is_known_by_its_names_before_its_first_message_and_until_it_leaves() {
    let authority = Authority::make();
    let rig = rig(&authority, Clients::MustShow(authority.ca()), StreamLimits::default());
    let carrier =
        authority.vouch_with(&["other.example.cn"], &["sip:SBC.example.cn", "sip:a@person.example"]);
    let mut peer = authority.connect(at(&rig, Transport::Tls), Some(&carrier));
    peer.write_all(&message("INVITE", 1)).unwrap();
    assert_eq!(read_as_long_as(&mut peer, &message("INVITE", 1)), message("INVITE", 1));
    rig.counts("verified sbc.example.cn");
    rig.counts("received");
    drop(peer);
    rig.counts("peer gone");
    rig.stop();
}

#[test]
fn who_must_show_a_certificate_and_shows_none_or_a_strangers_is_refused() {
    let (authority, stranger) = (Authority::make(), Authority::make());
    let rig = rig(&authority, Clients::MustShow(authority.ca()), StreamLimits::default());
    for identity in [None, Some(stranger.vouch(&["sbc.example.cn"]))] {
        let mut peer = authority.connect(at(&rig, Transport::Tls), identity.as_ref());
        // With TLS 1.3 the refusal comes after the client is done with its own part.
        let refused = peer.write_all(&message("INVITE", 1)).is_err() || peer.read(&mut [0; 10]).is_err();
        assert!(refused);
        rig.ended.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(ended(&rig, StreamEnd::Handshake), 2);
    assert!(rig.counted.try_recv().is_err(), "nothing of it reaches a shard");
    rig.stop();
}

#[test]
fn who_may_show_a_certificate_is_served_without_one() {
    let authority = Authority::make();
    let rig = rig(&authority, Clients::MayShow(authority.ca()), StreamLimits::default());
    let mut peer = authority.connect(at(&rig, Transport::Tls), None);
    peer.write_all(&message("INVITE", 1)).unwrap();
    assert_eq!(read_as_long_as(&mut peer, &message("INVITE", 1)), message("INVITE", 1));
    rig.counts("received");
    rig.stop();
}

#[test]
fn what_is_no_tls_and_what_is_too_slow_is_counted() {
    let authority = Authority::make();
    let short = StreamLimits { handshake: Duration::from_millis(80), ..StreamLimits::default() };
    let rig = rig(&authority, Clients::NotAsked, short);
    let mut garbage = TcpStream::connect(at(&rig, Transport::Tls)).unwrap();
    garbage.write_all(b"OPTIONS sip:a SIP/2.0\r\n\r\n").unwrap();
    rig.ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(ended(&rig, StreamEnd::Handshake), 1);
    // Half-open: said the beginning of a handshake, or nothing, and then nothing more.
    for (transport, beginning) in [
        (Transport::Tls, &b"\x16\x03\x01"[..]),
        (Transport::Wss, b""),
        (Transport::Ws, b"GET / HTTP/1.1\r\nHost: x\r\n"),
    ] {
        let mut silent = TcpStream::connect(at(&rig, transport)).unwrap();
        silent.write_all(beginning).unwrap();
        rig.ended.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(ended(&rig, StreamEnd::HandshakeSlow), 3);
    assert_eq!(rig.transports.counts().streams_open, 0);
    rig.stop();
}

/// Sends one message over TLS to a carrier that shows `identity`, who is expected to be `host`; whether it came.
fn reaches(authority: &Authority, identity: &Identity, host: &str, name: Option<&str>) -> bool {
    let rule =
        PeerRule { interface: 0, host: host.into(), name: name.map(Into::into), ca: Some(authority.ca()) };
    authority.install(&authority.vouch(&["sip.example.cn"]));
    let rig = rig_with(&authority.config(Clients::NotAsked, vec![rule]), StreamLimits::default());
    let (listener, config) = Authority::serve(identity);
    let remote = listener.local_addr().unwrap();
    if host != "127.0.0.1" {
        rig.transports.expect(remote, host);
    }
    let flow = Flow { interface: 0, transport: Transport::Tls, remote, connection: None };
    rig.transports.send(flow, &Bytes::from(message("INVITE", 1))).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut server = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let mut came = vec![0; message("INVITE", 1).len()];
    let reached = server.read_exact(&mut came).is_ok() && came == message("INVITE", 1);
    if reached {
        assert_eq!(ended(&rig, StreamEnd::Handshake), 0);
    } else {
        rig.counts("failed");
        assert_eq!(ended(&rig, StreamEnd::Handshake), 1);
    }
    rig.stop();
    reached
}

#[test]
fn a_server_must_show_the_name_it_was_sought_by() {
    let (authority, stranger) = (Authority::make(), Authority::make());
    let sbc = authority.vouch(&["sbc.example.cn"]);
    assert!(reaches(&authority, &sbc, "sbc.example.cn", None));
    assert!(!reaches(&authority, &sbc, "other.example.cn", None));
    assert!(reaches(&authority, &sbc, "127.0.0.1", Some("sbc.example.cn")), "the name that is configured");
    assert!(!reaches(&authority, &sbc, "127.0.0.1", None), "an address is not its name");
    assert!(reaches(&authority, &authority.vouch(&["127.0.0.1"]), "127.0.0.1", None));
    assert!(!reaches(&authority, &stranger.vouch(&["sbc.example.cn"]), "sbc.example.cn", None));
    // RFC 5922 §7.1 and §7.2: sip URIs before DNS names; a wildcard is no name.
    let by_uri = authority.vouch_with(&["host7.example.net"], &["sip:example.cn"]);
    assert!(reaches(&authority, &by_uri, "example.cn", None));
    assert!(!reaches(&authority, &by_uri, "host7.example.net", None));
    assert!(!reaches(&authority, &authority.vouch(&["*.example.cn"]), "sbc.example.cn", None));
}

#[test]
fn a_connection_that_proved_one_name_is_not_used_for_another_at_the_same_address() {
    let authority = Authority::make();
    authority.install(&authority.vouch(&["sip.example.cn"]));
    let rules = ["one.example.cn", "two.example.cn"].map(|host| PeerRule {
        interface: 0,
        host: host.into(),
        name: None,
        ca: Some(authority.ca()),
    });
    let config = authority.config(Clients::NotAsked, rules.into());
    let rig = rig_with(&config, StreamLimits::default());
    let (listener, server) = Authority::serve(&authority.vouch(&["one.example.cn"]));
    let remote = listener.local_addr().unwrap();
    let flow = Flow { interface: 0, transport: Transport::Tls, remote, connection: None };
    let one = Bytes::from(message("INVITE", 1));
    rig.transports.expect(remote, "one.example.cn");
    rig.transports.send(flow, &one).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut first = StreamOwned::new(ServerConnection::new(server).unwrap(), stream);
    assert_eq!(read_as_long_as(&mut first, &one), one);
    rig.counts("verified one.example.cn");
    // The same name again goes by the same connection.
    rig.transports.send(flow, &one).unwrap();
    assert_eq!(read_as_long_as(&mut first, &one), one);
    // Another name asks for a connection of its own, which this carrier's certificate does not get.
    rig.transports.expect(remote, "two.example.cn");
    rig.transports.send(flow, &Bytes::from(message("INVITE", 2))).unwrap();
    let (stream, _) = listener.accept().unwrap();
    drop(stream);
    rig.counts("failed");
    assert_eq!(ended(&rig, StreamEnd::Handshake), 1);
    rig.stop();
}

#[test]
fn a_peer_that_has_proved_its_name_is_called_on_its_own_connection() {
    let authority = Authority::make();
    authority.install(&authority.vouch(&["sip.example.cn"]));
    let rule = PeerRule {
        interface: 0,
        host: "127.0.0.1".into(),
        name: Some("sbc.example.cn".into()),
        ca: Some(authority.ca()),
    };
    let config = authority.config(Clients::MustShow(authority.ca()), vec![rule]);
    let rig = rig_with(&config, StreamLimits::default());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let asks = format!(
        "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS sbc.example.cn:{};alias;branch=z9hG4bK1\r\n\
         Call-ID: 1\r\nContent-Length: 0\r\n\r\n",
        nobody.port()
    );
    for (name, called) in [("other.example.cn", false), ("sbc.example.cn", true)] {
        let mut peer = authority.connect(at(&rig, Transport::Tls), Some(&authority.vouch(&[name])));
        peer.write_all(asks.as_bytes()).unwrap();
        assert_eq!(read_as_long_as(&mut peer, asks.as_bytes()), asks.as_bytes());
        let flow = Flow { interface: 0, transport: Transport::Tls, remote: nobody, connection: None };
        rig.transports.send(flow, &Bytes::from(message("INVITE", 7))).unwrap();
        if called {
            assert_eq!(read_as_long_as(&mut peer, &message("INVITE", 7)), message("INVITE", 7));
        } else {
            rig.counts("verified other.example.cn");
            rig.counts("received");
            rig.counts("failed");
        }
    }
    rig.stop();
}

#[test]
fn a_new_certificate_is_shown_to_those_who_come_after_it() {
    let authority = Authority::make();
    let rig = rig(&authority, Clients::NotAsked, StreamLimits::default());
    let config = authority.config(Clients::NotAsked, Vec::new());
    let tls = Tls::load(config.clone()).unwrap();
    let shown = || {
        let mut peer = authority.connect(at(&rig, Transport::Tls), None);
        peer.write_all(b"\r\n\r\n").unwrap();
        assert_eq!(read(&mut peer, [(); 2]), b"\r\n");
        let shown = peer.conn.peer_certificates().unwrap()[0].clone();
        (shown, peer)
    };
    let (before, mut open) = shown();
    assert!(tls.is_current());
    let second = authority.vouch(&["sip.example.cn"]);
    authority.install(&second);
    assert!(!tls.is_current());
    rig.transports.set_tls(Arc::new(Tls::load(config).unwrap()));
    assert_ne!(before, second.chain[0]);
    assert_eq!(shown().0, second.chain[0]);
    // Who is connected stays so.
    open.write_all(b"\r\n\r\n").unwrap();
    assert_eq!(read(&mut open, [(); 2]), b"\r\n");
    rig.stop();
}

#[test]
fn a_file_that_tls_cannot_use_is_named_with_its_fault() {
    let authority = Authority::make();
    let (one, other) = (authority.vouch(&["a.cn"]), authority.vouch(&["b.cn"]));
    let load = |certificate: &str, key: &str| {
        std::fs::write(authority.folder.join("sip.pem"), certificate).unwrap();
        std::fs::write(authority.folder.join("sip.key"), key).unwrap();
        Tls::load(authority.config(Clients::NotAsked, Vec::new()))
    };
    assert!(load(&one.pem, &one.key_pem).is_ok());
    assert!(matches!(load(&one.pem, &other.key_pem), Err(TlsError::AnotherKey { .. })));
    assert!(matches!(load(&one.key_pem, &one.key_pem), Err(TlsError::NoCertificate { .. })));
    assert!(matches!(load(&one.pem, &one.pem), Err(TlsError::NoKey { .. })));
    assert!(matches!(load("-----BEGIN CERTIFICATE-----\n", &one.key_pem), Err(TlsError::NotPem { .. })));
    let rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(load(rubbish, &one.key_pem), Err(TlsError::Unusable { .. })));
    std::fs::remove_file(authority.folder.join("sip.pem")).unwrap();
    let error = Tls::load(authority.config(Clients::NotAsked, Vec::new())).unwrap_err();
    assert!(error.to_string().contains("sip.pem: 读不出"), "{error}");
}

#[test]
fn certificates_say_when_they_run_out() {
    let authority = Authority::make();
    authority.install(&authority.vouch(&["sip.example.cn"]));
    let tls = Tls::load(authority.config(Clients::NotAsked, Vec::new())).unwrap();
    let expiries: Vec<_> = tls.expiries().collect();
    assert_eq!(expiries.len(), 1);
    // The default of the library that made it: 4096-01-01.
    assert_eq!(expiries[0].not_after, 67_090_118_400);
}

/// A browser's side of a WebSocket.
fn browser(rig: &Rig, protocol: Option<&str>) -> Result<WebSocket<TcpStream>, Box<dyn std::error::Error>> {
    let address = at(rig, Transport::Ws);
    let mut request = format!("ws://{address}/").into_client_request()?;
    if let Some(protocol) = protocol {
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse()?);
    }
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (socket, response) = tungstenite::client(request, stream).map_err(|error| error.to_string())?;
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
    Ok(socket)
}

fn text(bytes: Vec<u8>) -> Message {
    Message::text(String::from_utf8(bytes).unwrap())
}

#[test]
fn a_websocket_carries_one_message_per_frame() {
    let authority = Authority::make();
    let rig = rig(&authority, Clients::NotAsked, StreamLimits::default());
    let mut peer = browser(&rig, Some("chat, sip")).unwrap();
    // RFC 7118 §5: a message ends with its frame; no Content-Length is needed.
    let bare = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\nbody".to_vec();
    peer.send(text(bare.clone())).unwrap();
    assert_eq!(peer.read().unwrap(), text(bare));
    peer.send(Message::binary(message("INVITE", 2))).unwrap();
    assert_eq!(peer.read().unwrap(), text(message("INVITE", 2)));
    // What is no UTF-8 goes in a binary frame.
    let gbk = [&b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\nSubject: \xc4\xe3\r\n\r\n"[..]].concat();
    peer.send(Message::binary(gbk.clone())).unwrap();
    assert_eq!(peer.read().unwrap(), Message::binary(gbk));
    // RFC 7118 §6.
    peer.send(text(b"\r\n\r\n".to_vec())).unwrap();
    assert_eq!(peer.read().unwrap(), text(b"\r\n".to_vec()));
    peer.send(Message::Ping(Bytes::from_static(b"x"))).unwrap();
    assert_eq!(peer.read().unwrap(), Message::Pong(Bytes::from_static(b"x")));
    // RFC 6455 §5.5.1: a good-bye is answered; a browser tells its page whether it was.
    peer.close(None).unwrap();
    assert!(matches!(peer.read(), Ok(Message::Close(_))));
    assert!(matches!(peer.read(), Err(tungstenite::Error::ConnectionClosed)));
    rig.ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(rig.transports.counts().streams_ended.sum(), 0);
    rig.stop();
}

#[test]
fn a_websocket_of_another_protocol_is_refused() {
    let authority = Authority::make();
    let rig = rig(&authority, Clients::NotAsked, StreamLimits::default());
    for protocol in [None, Some("chat")] {
        let refused = browser(&rig, protocol).err().unwrap().to_string();
        assert!(refused.contains("400"), "{refused}");
        rig.ended.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(ended(&rig, StreamEnd::Handshake), 2);
    rig.stop();
}

#[test]
fn a_websocket_over_tls_carries_messages() {
    let authority = Authority::make();
    let rig = rig(&authority, Clients::MustShow(authority.ca()), StreamLimits::default());
    // Browsers are not asked for a certificate, whatever TLS peers are.
    let stream = authority.connect(at(&rig, Transport::Wss), None);
    let mut request = "wss://sip.example.cn/".into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().unwrap());
    let (mut peer, _) = tungstenite::client(request, stream).unwrap();
    peer.send(text(message("INVITE", 1))).unwrap();
    assert_eq!(peer.read().unwrap(), text(message("INVITE", 1)));
    rig.stop();
}

#[test]
fn a_websocket_that_says_nothing_trickles_or_is_deaf_to_pings_is_closed() {
    let authority = Authority::make();
    let short = Duration::from_millis(120);
    let limits = StreamLimits { first_message: short, message: short, ..StreamLimits::default() };
    let silent = rig(&authority, Clients::NotAsked, limits);
    let mut peer = browser(&silent, Some("sip")).unwrap();
    // Line ends are no message.
    peer.send(text(b"\r\n\r\n".to_vec())).unwrap();
    silent.ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(ended(&silent, StreamEnd::FirstMessageSlow), 1);
    drop(peer);
    let mut peer = browser(&silent, Some("sip")).unwrap();
    peer.send(text(message("OPTIONS", 1))).unwrap();
    // The head of a frame of 100 bytes, and a part of it.
    peer.get_mut().write_all(b"\x81\xe4\0\0\0\0OPTIONS").unwrap();
    silent.ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(ended(&silent, StreamEnd::MessageSlow), 1);
    silent.stop();
    let refusing =
        rig(&authority, Clients::NotAsked, StreamLimits { refused: short, ..StreamLimits::default() });
    let mut peer = browser(&refusing, Some("sip")).unwrap();
    peer.send(text(message("SIP/2.0 401", 1))).unwrap();
    assert_eq!(peer.read().unwrap(), text(message("SIP/2.0 401", 1)));
    assert!(matches!(peer.read(), Ok(Message::Close(_))));
    refusing.ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(ended(&refusing, StreamEnd::Refused), 1);
    refusing.stop();
    let limits = StreamLimits { ping: Some(short), ..StreamLimits::default() };
    let pinging = rig(&authority, Clients::NotAsked, limits);
    let mut peer = browser(&pinging, Some("sip")).unwrap();
    peer.send(text(message("OPTIONS", 1))).unwrap();
    assert_eq!(peer.read().unwrap(), text(message("OPTIONS", 1)));
    assert!(matches!(peer.read().unwrap(), Message::Ping(_)));
    // The pong is queued by the library and never flushed: nothing is heard of this peer any more.
    pinging.ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(ended(&pinging, StreamEnd::Idle), 1);
    pinging.stop();
}

#[test]
fn places_are_counted_by_block_and_what_we_open_has_its_own() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let limits = StreamLimits { open: 2, open_per_source: 1, ..StreamLimits::default() };
    let boxes = Boxes::<()>::new(vec![crate::Inbox::new(crate::InboxLimits::default()).unwrap()]);
    let none = (Vec::new(), HashSet::new());
    let streams = Streams::new(none, limits, boxes, Box::new(|_| ()), runtime.handle().clone());
    let place = |remote: &str, opener| {
        streams.shared.admit((0, Transport::Tcp, remote.parse().unwrap()), opener).map(|(id, _)| id)
    };
    let serve = |id| {
        let answer = Bytes::from_static(b"SIP/2.0 200 OK\r\n");
        assert!(streams.shared.enqueue(id, answer).is_err(), "no task is there to send it");
    };
    let first = place("[2001:db8::1]:1", Opener::Peer).unwrap();
    serve(first);
    // Whoever has one IPv6 address has its /64.
    assert_eq!(place("[2001:db8::ffff:2]:1", Opener::Peer), None);
    serve(place("[2001:db8:0:1::1]:1", Opener::Peer).unwrap());
    assert_eq!(place("192.0.2.1:1", Opener::Peer), None);
    let end = |end| streams.shared.ends.so_far().of(end);
    assert_eq!((end(StreamEnd::TooManyOfSource), end(StreamEnd::TooMany)), (1, 1));
    // A carrier is reached all the same, though not without end.
    assert!(place("[2001:db8::1]:5060", Opener::Us).is_some());
    assert_eq!(place("[2001:db8::1]:5060", Opener::Us), None);
    let remote = "[2001:db8::1]:1".parse().unwrap();
    let left = Flow { interface: 0, transport: Transport::Tcp, remote, connection: Some(first) };
    streams.shared.forget(left);
    streams.shared.forget(left);
    assert!(place("[2001:db8::1]:1", Opener::Peer).is_some());
    assert_eq!(end(StreamEnd::MadeWay), 0);
}

#[test]
fn a_stranger_makes_way_before_its_handshake_and_with_its_certificate() {
    let authority = Authority::make();
    let patient = 10 * PATIENCE;
    let limits =
        StreamLimits { open: 1, handshake: patient, first_message: patient, ..StreamLimits::default() };
    let rig = rig(&authority, Clients::MustShow(authority.ca()), limits);
    let mut silent = TcpStream::connect(at(&rig, Transport::Tls)).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let carrier = authority.vouch(&["sbc.example.cn"]);
    let refused = |peer: &mut StreamOwned<ClientConnection, TcpStream>| {
        let refusal = message("SIP/2.0 401", 1);
        peer.write_all(&refusal).unwrap();
        assert_eq!(read_as_long_as(peer, &refusal), refusal);
    };
    let mut first = authority.connect(at(&rig, Transport::Tls), Some(&carrier));
    refused(&mut first);
    assert!(is_closed(&mut silent));
    rig.counts("verified sbc.example.cn");
    rig.counts("received");
    let mut second = authority.connect(at(&rig, Transport::Tls), Some(&carrier));
    refused(&mut second);
    // The shards do not keep whom they knew by it.
    rig.counts("peer gone");
    rig.counts("verified sbc.example.cn");
    assert_eq!(ended(&rig, StreamEnd::MadeWay), 2);
    rig.stop();
}

#[test]
fn only_browsers_open_a_websocket() {
    let authority = Authority::make();
    let rig = rig(&authority, Clients::NotAsked, StreamLimits::default());
    let remote = "127.0.0.1:9".parse().unwrap();
    let flow = Flow { interface: 0, transport: Transport::Wss, remote, connection: None };
    assert!(matches!(rig.transports.send(flow, &Bytes::from_static(b"x")), Err(SendError::Closed)));
    rig.stop();
}

#[test]
fn a_response_whose_connection_is_gone_goes_to_the_port_of_its_via() {
    let rig = Rig::start_on(Listen::plain("lan", "127.0.0.1:0".parse().unwrap()), 1, StreamLimits::default());
    let sent_by = TcpListener::bind("127.0.0.1:0").unwrap();
    let response = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP {};branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
         Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        sent_by.local_addr().unwrap()
    );
    let peer = TcpStream::connect(rig.address).unwrap();
    let gone = Flow {
        interface: 0,
        transport: Transport::Tcp,
        remote: peer.local_addr().unwrap(),
        connection: Some(77),
    };
    rig.transports.send(gone, &Bytes::from(response.clone())).unwrap();
    let (mut accepted, _) = sent_by.accept().unwrap();
    accepted.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(read_as_long_as(&mut accepted, response.as_bytes()), response.as_bytes());
    rig.stop();
}

/// Far longer than anything here takes; a failure shows itself after it.
const PATIENCE: Duration = Duration::from_secs(10);
