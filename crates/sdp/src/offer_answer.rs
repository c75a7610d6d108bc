//! Owns how two descriptions become an agreement (RFC 3264, RFC 6337): our offers, our answers, and what follows
//! from a peer's. Does not own when they are sent (see `sip`).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use smallvec::SmallVec;

mod written;

use crate::crypto::{self, Chosen};
use crate::description::{Connection, Description, Formats, Media};
use written::{Ours, Written};

use crate::{Codec, Direction, KeyWay, Local, Negotiated, PTIME_MS, Srtp, Suite, fax};

/// The payload types under which we offer telephone-event at 8 and 48 kHz, as nearly all peers do.
const OFFERED_EVENTS: [u8; 2] = [101, 110];

/// The static payload type of comfort noise at 8 kHz (RFC 3389 §4).
const COMFORT_NOISE: u8 = 13;

/// Profiles of plain RTP, and of SRTP (RFC 4568, RFC 5124).
const PLAIN: [&[u8]; 2] = [b"RTP/AVP", b"RTP/AVPF"];
const SECURE: [&[u8]; 2] = [b"RTP/SAVP", b"RTP/SAVPF"];

/// Writes an offer of one audio stream.
pub fn offer(local: &Local) -> Bytes {
    let mut text = head(local, "0 0");
    our_stream(&mut text, local, &Numbers::ours());
    kept(text)
}

/// Writes an offer within a session whose peer's last description was `peer`: its streams keep their places
/// (RFC 3264 §8) and its payload types keep their numbers (§8.3.2). Behind a fax, audio has its old place again, or the
/// fax's (§8.3.3).
pub fn reoffer(local: &Local, peer: &Description) -> Bytes {
    let place = |wanted: &dyn Fn(&Media<'_>) -> bool| peer.media().position(|media| wanted(&media));
    let fax = place(&|media| media.port() != 0 && fax::is_fax(media));
    let ours = place(&|media| media.port() != 0 && is_audio(media))
        .or_else(|| place(&is_audio).filter(|_| fax.is_some()))
        .or(fax);
    let Some(ours) = ours else { return offer(local) };
    let mut text = head(local, "0 0");
    for (place, media) in peer.media().enumerate() {
        if place == ours {
            our_stream(&mut text, local, &Numbers::known_to(&media));
        } else {
            refuse(&mut text, &media);
        }
    }
    kept(text)
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
    Ok((kept(text), negotiated))
}

/// What follows from a peer's answer to the offer that we sent.
///
/// # Errors
/// When the peer refused our stream, or chose what we did not offer.
pub fn accept(sent: &Description, answer: &Description) -> Result<Negotiated, Unacceptable> {
    let (place, ours) =
        sent.media().enumerate().find(|(_, media)| media.port() != 0).ok_or(Unacceptable::NoAudio)?;
    settle(&Ours::read(&ours), place, answer)
}

/// As [`accept`], where what we sent is what [`offer`] writes of `local`: its text is not needed.
///
/// # Errors
/// As [`accept`].
pub fn accept_first(local: &Local, answer: &Description) -> Result<Negotiated, Unacceptable> {
    settle(&Ours::of(local), 0, answer)
}

/// What `answer` makes of our stream, which stands at `place`.
fn settle(ours: &Ours<'_>, place: usize, answer: &Description) -> Result<Negotiated, Unacceptable> {
    // RFC 3264 §6: the nth stream of the answer answers the nth of the offer.
    let theirs = answer.nth_media(place).ok_or(Unacceptable::NoAudio)?;
    if !is_audio(&theirs) {
        return Err(Unacceptable::NoAudio);
    }
    if theirs.port() == 0 {
        return Err(Unacceptable::Refused);
    }
    let (said, offered) = (theirs.formats_read(), &ours.formats);
    let (codec, payload_type, receive_payload_type) =
        first_common(&said, offered).ok_or(Unacceptable::NoCodec)?;
    let events =
        events_beside(codec, |clock| said.telephone_event(clock).zip(offered.telephone_event(clock)));
    let noise = said.comfort_noise().zip(offered.comfort_noise()).filter(|_| codec != Codec::Opus);
    let srtp = accepted_keys(&theirs, ours)?;
    let target = Target::of(&theirs, ours.address)?;
    let direction = ours.direction.within(theirs.direction().reversed());
    Ok(Negotiated {
        remote: target.rtp,
        remote_rtcp: target.rtcp,
        codec,
        payload_type,
        receive_payload_type,
        dtmf: events.map(|((theirs, _), _)| theirs),
        receive_dtmf: events.map(|((_, ours), _)| ours),
        dtmf_clock: events.map_or(8_000, |(_, clock)| clock),
        keys: key_way(events.is_some()),
        noise: noise.map(|(theirs, _)| theirs),
        receive_noise: noise.map(|(_, ours)| ours),
        srtp,
        ptime_ms: ptime(&theirs),
        direction: target.direction(direction),
        on_hold: target.is_held() || held(&theirs, ours.direction),
        rtcp_mux: target.mux && ours.rtcp_mux,
    })
}

/// A description without slack: it is kept as long as the call lasts.
pub(crate) fn kept(text: String) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
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
    /// The stream is SRTP, which is off on this leg.
    #[error("对方要求 SRTP,而本侧未启用 / the peer wants SRTP, which is off here")]
    Encrypted,
    /// The stream is plain RTP where SRTP is required.
    #[error("本侧要求 SRTP,而对方只提供明文 RTP / SRTP is required here and the peer offers plain RTP")]
    Unencrypted,
    /// SRTP without a key that we can use.
    #[error("SRTP 没有可用的 a=crypto / no usable a=crypto for SRTP")]
    NoKey,
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
    let said = media.formats_read();
    let (codec, payload_type) = local
        .codecs
        .iter()
        .find_map(|codec| Some((*codec, said.payload_type_of(*codec)?)))
        .ok_or(Unacceptable::NoCodec)?;
    let target = Target::of(media, local.address)?;
    let srtp = chosen_keys(media, local)?;
    let events = events_beside(codec, |clock| said.telephone_event(clock)).filter(|_| local.dtmf);
    let dtmf = events.map(|(number, _)| number);
    let noise = said.comfort_noise().filter(|_| local.noise && codec != Codec::Opus);
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
        dtmf_clock: events.map_or(8_000, |(_, clock)| clock),
        keys: key_way(events.is_some()),
        noise,
        receive_noise: noise,
        srtp,
        ptime_ms: ptime(media),
        direction: target.direction(direction),
        on_hold: target.is_held() || held(media, Direction::SendRecv),
        rtcp_mux: target.mux,
    };
    Ok((negotiated, direction))
}

/// The first codec of `theirs` that `ours` has too, with its number there and here.
fn first_common(theirs: &Formats<'_>, ours: &Formats<'_>) -> Option<(Codec, u8, u8)> {
    theirs.codecs().find_map(|(number, codec)| Some((codec, number, ours.payload_type_of(codec)?)))
}

pub(crate) fn is_audio(media: &Media<'_>) -> bool {
    media.kind().eq_ignore_ascii_case(b"audio") && (is_rtp(media, &PLAIN) || is_secure(media))
}

/// Whether the stream's profile is that of SRTP.
fn is_secure(media: &Media<'_>) -> bool {
    is_rtp(media, &SECURE)
}

fn is_rtp(media: &Media<'_>, profiles: &[&[u8]]) -> bool {
    profiles.iter().any(|name| media.protocol().eq_ignore_ascii_case(name))
}

/// The payload type of events and its clock rate: the codec's, else 8 kHz, which many offer beside Opus too.
fn events_beside<T>(codec: Codec, find: impl Fn(u32) -> Option<T>) -> Option<(T, u32)> {
    [codec.clock_rate(), 8_000].into_iter().find_map(|clock| Some((find(clock)?, clock)))
}

const fn key_way(events: bool) -> KeyWay {
    if events { KeyWay::Events } else { KeyWay::Inband }
}

/// The keys for an answer to `media`. A key beside RTP/AVP is how peers offer SRTP without insisting on it; a stream
/// that must be encrypted never falls back to plain.
fn chosen_keys(media: &Media<'_>, local: &Local) -> Result<Option<Srtp>, Unacceptable> {
    let Some(ours) = local.secrecy.key() else {
        return if is_secure(media) { Err(Unacceptable::Encrypted) } else { Ok(None) };
    };
    match Chosen::of(media) {
        Some(chosen) => Ok(Some(chosen.with(ours))),
        None if is_secure(media) => Err(Unacceptable::NoKey),
        None if local.secrecy.is_required() => Err(Unacceptable::Unencrypted),
        None => Ok(None),
    }
}

/// The keys after `theirs` answered `ours`. RFC 4568 §5.1.3: the answer names one of the offered lines.
fn accepted_keys(theirs: &Media<'_>, ours: &Ours<'_>) -> Result<Option<Srtp>, Unacceptable> {
    let Some(answered) = Chosen::of(theirs) else {
        let insists = ours.is_secure || is_secure(theirs) || theirs.crypto().next().is_some();
        return if insists { Err(Unacceptable::NoKey) } else { Ok(None) };
    };
    let offered = ours.lines.contains(&(answered.tag, answered.suite));
    let key = ours.key.filter(|_| offered).ok_or(Unacceptable::NoKey)?;
    Ok(Some(answered.with(key)))
}

/// RFC 3264 §8.4: a stream whose writer no longer listens, though we wanted to speak, is on hold.
fn held(theirs: &Media<'_>, wanted: Direction) -> bool {
    wanted.sends() && !theirs.direction().receives()
}

/// Milliseconds per packet that the peer wants, in whole 10 ms from 10 to 60.
fn ptime(media: &Media<'_>) -> u16 {
    match media.ptime() {
        Some(wanted) if wanted >= 10 => wanted.min(60) / 10 * 10,
        Some(_) | None => PTIME_MS,
    }
}

/// Where a peer's stream wants its packets.
pub(crate) struct Target {
    pub(crate) rtp: SocketAddr,
    rtcp: SocketAddr,
    mux: bool,
}

impl Target {
    pub(crate) fn of(media: &Media<'_>, ours: IpAddr) -> Result<Target, Unacceptable> {
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
        let mux = media.rtcp_mux();
        let next = SocketAddr::new(ip, media.port().checked_add(1).unwrap_or(media.port()));
        let rtcp = if mux { rtp } else { media.rtcp().and_then(|a| rtcp(a, ip)).unwrap_or(next) };
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

/// Whether two descriptions that we wrote of one session differ in nothing but their version. RFC 3264 §8: the later one
/// is then sent in the words of the earlier, with its version, and the peer sees that nothing changed.
pub fn says_the_same(one: &[u8], other: &[u8]) -> bool {
    behind_origin(one) == behind_origin(other)
}

/// What follows the second line, which is the origin in every description of ours.
fn behind_origin(text: &[u8]) -> Option<&[u8]> {
    text.splitn(3, |byte| *byte == b'\n').nth(2)
}

pub(crate) fn head(local: &Local, time: &str) -> String {
    let family = if local.address.is_ipv4() { "IP4 " } else { "IP6 " };
    let mut text = String::with_capacity(400);
    text.push_str("v=0\r\no=- ");
    push_number(&mut text, local.session.id);
    text.push(' ');
    push_number(&mut text, local.session.version);
    text.push_str(" IN ");
    text.push_str(family);
    push_address(&mut text, local.address);
    text.push_str("\r\ns=-\r\nc=IN ");
    text.push_str(family);
    push_address(&mut text, local.address);
    for part in ["\r\nt=", time, "\r\n"] {
        text.push_str(part);
    }
    text
}

fn push_address(text: &mut String, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (place, number) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    text.push('.');
                }
                push_number(text, number.into());
            }
        }
        IpAddr::V6(address) => push(text, format_args!("{address}")),
    }
}

/// Writes `number` in digits, without the cost of a format: a description has many.
fn push_number(text: &mut String, number: u64) {
    let (mut digits, mut at, mut rest) = ([b'0'; 20], 20, number);
    while rest > 0 || at == 20 {
        at -= 1;
        digits[at] += (rest % 10) as u8;
        rest /= 10;
    }
    digits[at..].iter().for_each(|digit| text.push(char::from(*digit)));
}

/// The payload types of an offer of ours.
struct Numbers {
    opus: u8,
    /// telephone-event at 8 and at 48 kHz.
    events: [u8; 2],
    protocol: Protocol,
}

/// Which profile an offer of ours names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// What our own settings say.
    Ours,
    /// The peer spoke of SRTP.
    Secure,
}

impl Numbers {
    fn ours() -> Numbers {
        Numbers { opus: Codec::Opus.payload_type(), events: OFFERED_EVENTS, protocol: Protocol::Ours }
    }

    /// The numbers that `media` has for the same things, else ours, else any that it has for nothing.
    fn known_to(media: &Media<'_>) -> Numbers {
        let said = media.formats_read();
        let mut taken: Vec<u8> = said.payload_types().collect();
        let mut number = |known: Option<u8>, ours: u8| {
            let free = || (96..=127).rev().find(|number| !taken.contains(number)).unwrap_or(ours);
            let number = known.unwrap_or_else(|| if taken.contains(&ours) { free() } else { ours });
            taken.push(number);
            number
        };
        let [slow, fast] = OFFERED_EVENTS;
        Numbers {
            opus: number(said.payload_type_of(Codec::Opus), Codec::Opus.payload_type()),
            events: [number(said.telephone_event(8_000), slow), number(said.telephone_event(48_000), fast)],
            protocol: if is_secure(media) { Protocol::Secure } else { Protocol::Ours },
        }
    }

    fn of(&self, codec: Codec) -> u8 {
        if codec == Codec::Opus { self.opus } else { codec.payload_type() }
    }
}

fn our_stream(text: &mut String, local: &Local, numbers: &Numbers) {
    text.push_str("m=audio ");
    push_number(text, local.port.into());
    text.push_str(if numbers.protocol.is_secure(local) { " RTP/SAVP" } else { " RTP/AVP" });
    push_formats(text, &Written::offered(local, numbers));
    if let Some(key) = local.secrecy.key() {
        for (tag, suite) in Suite::tagged() {
            text.push_str(&crypto::line(tag, suite, key));
        }
    }
    push_manner(text, local.ptime_ms, local.direction);
}

fn accept_stream(
    text: &mut String,
    media: &Media<'_>,
    local: &Local,
    agreed: &Negotiated,
    direction: Direction,
) {
    text.push_str("m=audio ");
    push_number(text, local.port.into());
    text.push(' ');
    text.push_str(&String::from_utf8_lossy(media.protocol()));
    let codec = Written::codec(agreed.payload_type, agreed.codec);
    let noise = agreed.noise.map(Written::noise);
    let events = agreed.dtmf.map(|number| Written::events(number, agreed.dtmf_clock));
    let formats: SmallVec<[Written; 3]> = [Some(codec), noise, events].into_iter().flatten().collect();
    push_formats(text, &formats);
    if let (Some(srtp), Some(chosen)) = (agreed.srtp, Chosen::of(media)) {
        text.push_str(&crypto::line(chosen.tag, srtp.suite, srtp.ours));
    }
    push_manner(text, local.ptime_ms, direction);
    if agreed.rtcp_mux {
        text.push_str("a=rtcp-mux\r\n");
    }
}

/// RFC 3264 §6: port 0, and the formats of the offer since at least one must stand there.
pub(crate) fn refuse(text: &mut String, media: &Media<'_>) {
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

/// Writes the rest of an `m=` line, and what its numbers mean.
fn push_formats(text: &mut String, formats: &[Written]) {
    for format in formats {
        text.push(' ');
        push_number(text, format.number.into());
    }
    text.push_str("\r\n");
    formats.iter().for_each(|format| format.push(text));
}

/// How packets are to come: of which length, which ways.
fn push_manner(text: &mut String, ptime_ms: u16, direction: Direction) {
    text.push_str("a=ptime:");
    push_number(text, ptime_ms.into());
    text.push_str("\r\na=");
    text.push_str(direction.name());
    text.push_str("\r\n");
}

pub(crate) fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = std::fmt::Write::write_fmt(text, arguments);
}

#[cfg(test)]
mod tests;
