//! Owns how two descriptions become an agreement (RFC 3264, RFC 6337): our offers, our answers, and what follows
//! from a peer's. Does not own when they are sent (see `sip`).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::description::{Connection, Description, Media};
use crate::{Codec, Direction, Local, Negotiated};

/// The payload type under which we offer telephone-event, as nearly all peers do.
const OFFERED_TELEPHONE_EVENT: u8 = 101;

/// Milliseconds of audio per packet that we ask for, and assume of a peer that says nothing (RFC 3551 §4.2).
const PTIME: u16 = 20;

/// Writes an offer of one audio stream.
pub fn offer(local: &Local) -> Bytes {
    let mut text = head(local, "0 0");
    our_stream(&mut text, local, OFFERED_TELEPHONE_EVENT);
    Bytes::from(text)
}

/// Writes an offer within a session whose peer's last description was `peer`: its streams keep their places
/// (RFC 3264 §8) and its telephone-event keeps its number (§8.3.2).
pub fn reoffer(local: &Local, peer: &Description) -> Bytes {
    let Some(ours) = peer.media().position(|media| media.port() != 0 && is_audio(&media)) else {
        return offer(local);
    };
    let mut text = head(local, "0 0");
    for (place, media) in peer.media().enumerate() {
        if place == ours {
            our_stream(&mut text, local, media.telephone_event().unwrap_or(OFFERED_TELEPHONE_EVENT));
        } else {
            refuse(&mut text, &media);
        }
    }
    Bytes::from(text)
}

/// Answers an offer: the first audio stream that we can speak is accepted with one codec, all others are refused.
///
/// # Errors
/// When no stream can be accepted; the call gets 488 with the reason in words.
pub fn answer(offer: &Description, local: &Local) -> Result<(Bytes, Negotiated), Unacceptable> {
    let (place, negotiated, direction) = choose(offer, local)?;
    // RFC 3264 §6: the answer's t= equals the offer's.
    let time = offer.lines().find(|(kind, _)| *kind == b't').map_or(&b"0 0"[..], |(_, value)| value);
    let plain = time.iter().all(|byte| byte.is_ascii_digit() || *byte == b' ');
    let mut text = head(local, if plain { std::str::from_utf8(time).unwrap_or("0 0") } else { "0 0" });
    for (nth, media) in offer.media().enumerate() {
        if nth == place {
            accept_stream(&mut text, &media, local, &negotiated, direction);
        } else {
            refuse(&mut text, &media);
        }
    }
    Ok((Bytes::from(text), negotiated))
}

/// What follows from a peer's answer to the offer that we sent.
///
/// # Errors
/// When the peer refused our stream, or chose what we did not offer.
pub fn accept(sent: &Description, answer: &Description) -> Result<Negotiated, Unacceptable> {
    let (place, ours) =
        sent.media().enumerate().find(|(_, media)| media.port() != 0).ok_or(Unacceptable::NoAudio)?;
    // RFC 3264 §6: the nth stream of the answer answers the nth of the offer.
    let theirs = answer.nth_media(place).ok_or(Unacceptable::NoAudio)?;
    if !is_audio(&theirs) {
        return Err(Unacceptable::NoAudio);
    }
    if theirs.port() == 0 {
        return Err(Unacceptable::Refused);
    }
    let (codec, payload_type, receive_payload_type) =
        first_common(&theirs, &ours).ok_or(Unacceptable::NoCodec)?;
    let events = theirs.telephone_event().zip(ours.telephone_event());
    let target = Target::of(&theirs, family_of(&ours))?;
    let direction = ours.direction().within(theirs.direction().reversed());
    Ok(Negotiated {
        remote: target.rtp,
        remote_rtcp: target.rtcp,
        codec,
        payload_type,
        receive_payload_type,
        dtmf: events.map(|(theirs, _)| theirs),
        receive_dtmf: events.map(|(_, ours)| ours),
        ptime_ms: ptime(&theirs),
        direction: target.direction(direction),
        on_hold: target.is_held() || held(&theirs, ours.direction()),
        rtcp_mux: target.mux && ours.attribute("rtcp-mux").is_some(),
    })
}

/// Why no agreement is possible. SIP says 488 (Not Acceptable Here) with this in its Warning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// No audio stream over plain RTP.
    #[error("没有可用的音频流 / no audio stream over RTP/AVP")]
    NoAudio,
    /// The peer set our stream's port to 0.
    #[error("对方拒绝了音频 / the peer refused the audio stream")]
    Refused,
    /// No common codec.
    #[error("没有共同的编码 / no common codec")]
    NoCodec,
    /// Neither the stream nor the session has a `c=` line.
    #[error("SDP 缺少 c= 行 / the audio stream has no c= line")]
    NoAddress,
    /// The address is a name, which media does not resolve.
    #[error("c= 行是域名「{0}」,需要 IP 地址 / the c= line names the host «{0}» where an address is needed")]
    Name(String),
    /// The address is a multicast group.
    #[error("不支持组播地址 {0} / multicast address {0}")]
    Multicast(IpAddr),
    /// The address is of the other version of IP.
    #[error("地址 {0} 与本端 IP 版本不同 / address {0} is of another IP version than ours")]
    AddressFamily(IpAddr),
}

/// The stream we take: its place, what is agreed, and the direction to write.
fn choose(offer: &Description, local: &Local) -> Result<(usize, Negotiated, Direction), Unacceptable> {
    let mut why = Unacceptable::NoAudio;
    for (place, media) in offer.media().enumerate() {
        if media.port() == 0 || !is_audio(&media) {
            continue;
        }
        match negotiate(&media, local) {
            Ok((negotiated, direction)) => return Ok((place, negotiated, direction)),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

fn negotiate(media: &Media<'_>, local: &Local) -> Result<(Negotiated, Direction), Unacceptable> {
    let (codec, payload_type) = local
        .codecs
        .iter()
        .find_map(|codec| Some((*codec, media.payload_type_of(*codec)?)))
        .ok_or(Unacceptable::NoCodec)?;
    let target = Target::of(media, local.address)?;
    let dtmf = media.telephone_event().filter(|_| local.dtmf);
    // RFC 3264 §6.1
    let direction = media.direction().reversed().within(local.direction);
    let negotiated = Negotiated {
        remote: target.rtp,
        remote_rtcp: target.rtcp,
        codec,
        // RFC 3264 §6.1: the answer uses the offer's numbers, so both ways have them.
        payload_type,
        receive_payload_type: payload_type,
        dtmf,
        receive_dtmf: dtmf,
        ptime_ms: ptime(media),
        direction: target.direction(direction),
        on_hold: target.is_held() || held(media, Direction::SendRecv),
        rtcp_mux: target.mux,
    };
    Ok((negotiated, direction))
}

/// The first codec of `theirs` that `ours` has too, with its number there and here.
fn first_common(theirs: &Media<'_>, ours: &Media<'_>) -> Option<(Codec, u8, u8)> {
    theirs.payload_types().find_map(|number| {
        [Codec::Pcma, Codec::Pcmu]
            .into_iter()
            .find(|codec| theirs.carries(number, *codec))
            .and_then(|codec| Some((codec, number, ours.payload_type_of(codec)?)))
    })
}

fn is_audio(media: &Media<'_>) -> bool {
    let plain: [&[u8]; 2] = [b"RTP/AVP", b"RTP/AVPF"];
    media.kind().eq_ignore_ascii_case(b"audio")
        && plain.iter().any(|name| media.protocol().eq_ignore_ascii_case(name))
}

/// RFC 3264 §8.4: a stream whose writer no longer listens, though we wanted to speak, is on hold.
fn held(theirs: &Media<'_>, wanted: Direction) -> bool {
    wanted.sends() && !theirs.direction().receives()
}

fn family_of(ours: &Media<'_>) -> IpAddr {
    match ours.connection() {
        Some(Connection::Address(ip) | Connection::Multicast(ip)) => ip,
        Some(Connection::Name(_)) | None => IpAddr::from([0, 0, 0, 0]),
    }
}

/// Milliseconds per packet that the peer wants, in whole 10 ms from 10 to 60.
fn ptime(media: &Media<'_>) -> u16 {
    match media.ptime() {
        Some(wanted) if wanted >= 10 => wanted.min(60) / 10 * 10,
        Some(_) | None => PTIME,
    }
}

/// Where a peer's stream wants its packets.
struct Target {
    rtp: SocketAddr,
    rtcp: SocketAddr,
    mux: bool,
}

impl Target {
    fn of(media: &Media<'_>, ours: IpAddr) -> Result<Target, Unacceptable> {
        let ip = match media.connection().ok_or(Unacceptable::NoAddress)? {
            Connection::Address(ip) => ip,
            Connection::Multicast(ip) => return Err(Unacceptable::Multicast(ip)),
            Connection::Name(name) => return Err(Unacceptable::Name(name.to_owned())),
        };
        // RFC 3264 §8.4: the unspecified address is hold, of whichever version.
        if ip.is_ipv4() != ours.is_ipv4() && !ip.is_unspecified() {
            return Err(Unacceptable::AddressFamily(ip));
        }
        let rtp = SocketAddr::new(ip, media.port());
        let mux = media.attribute("rtcp-mux").is_some();
        let next = SocketAddr::new(ip, media.port().checked_add(1).unwrap_or(media.port()));
        let rtcp = if mux { rtp } else { media.attribute("rtcp").and_then(|a| rtcp(a, ip)).unwrap_or(next) };
        Ok(Target { rtp, rtcp, mux })
    }

    fn is_held(&self) -> bool {
        self.rtp.ip().is_unspecified()
    }

    /// `wanted`, without sending to nowhere.
    fn direction(&self, wanted: Direction) -> Direction {
        if self.is_held() { wanted.within(Direction::RecvOnly) } else { wanted }
    }
}

/// RFC 3605 §2.1: `a=rtcp:port [IN IP4 address]`.
fn rtcp(value: &[u8], ip: IpAddr) -> Option<SocketAddr> {
    let mut words = std::str::from_utf8(value).ok()?.split_ascii_whitespace();
    let port = words.next()?.parse::<u16>().ok().filter(|port| *port != 0)?;
    let named = words.nth(2).and_then(|address| address.parse::<IpAddr>().ok());
    Some(SocketAddr::new(named.filter(|named| named.is_ipv4() == ip.is_ipv4()).unwrap_or(ip), port))
}

fn head(local: &Local, time: &str) -> String {
    let family = if local.address.is_ipv4() { "IP4" } else { "IP6" };
    let (address, id, version) = (local.address, local.session.id, local.session.version);
    let mut text = String::with_capacity(320);
    push(&mut text, format_args!("v=0\r\no=- {id} {version} IN {family} {address}\r\ns=-\r\n"));
    push(&mut text, format_args!("c=IN {family} {address}\r\nt={time}\r\n"));
    text
}

fn our_stream(text: &mut String, local: &Local, telephone_event: u8) {
    push(text, format_args!("m=audio {} RTP/AVP", local.port));
    for codec in &local.codecs {
        push(text, format_args!(" {}", codec.payload_type()));
    }
    if local.dtmf {
        push(text, format_args!(" {telephone_event}"));
    }
    text.push_str("\r\n");
    for codec in &local.codecs {
        rtpmap(text, codec.payload_type(), *codec);
    }
    if local.dtmf {
        events(text, telephone_event);
    }
    push(text, format_args!("a=ptime:{PTIME}\r\na={}\r\n", local.direction.name()));
}

fn accept_stream(
    text: &mut String,
    media: &Media<'_>,
    local: &Local,
    agreed: &Negotiated,
    direction: Direction,
) {
    let (port, protocol) = (local.port, String::from_utf8_lossy(media.protocol()));
    push(text, format_args!("m=audio {port} {protocol} {}", agreed.payload_type));
    if let Some(number) = agreed.dtmf {
        push(text, format_args!(" {number}"));
    }
    text.push_str("\r\n");
    rtpmap(text, agreed.payload_type, agreed.codec);
    if let Some(number) = agreed.dtmf {
        events(text, number);
    }
    push(text, format_args!("a=ptime:{PTIME}\r\na={}\r\n", direction.name()));
    if agreed.rtcp_mux {
        text.push_str("a=rtcp-mux\r\n");
    }
}

/// RFC 3264 §6: port 0, and the formats of the offer since at least one must stand there.
fn refuse(text: &mut String, media: &Media<'_>) {
    let kind = String::from_utf8_lossy(media.kind());
    let protocol = String::from_utf8_lossy(media.protocol());
    push(text, format_args!("m={kind} 0 {protocol}"));
    let mut formats = media.formats().peekable();
    if formats.peek().is_none() {
        text.push_str(" 0");
    }
    for format in formats {
        push(text, format_args!(" {}", String::from_utf8_lossy(format)));
    }
    text.push_str("\r\n");
}

fn rtpmap(text: &mut String, number: u8, codec: Codec) {
    push(text, format_args!("a=rtpmap:{number} {}/{}\r\n", codec.name(), codec.clock_rate()));
}

/// RFC 4733 §2.4.1: events 0–15 are the telephone's keys.
fn events(text: &mut String, number: u8) {
    push(text, format_args!("a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n"));
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = std::fmt::Write::write_fmt(text, arguments);
}

#[cfg(test)]
mod tests;
