//! Owns T.38 in session descriptions: one image stream over UDPTL, whose parameters pass from one peer to the other as
//! they came (ITU-T T.38 Annex D, RFC 3362). Does not own audio (see `offer_answer`).

use std::net::SocketAddr;

use bytes::Bytes;

use crate::description::{Description, Media};
use crate::offer_answer::{self, Target, push};
use crate::{Local, Unacceptable};

/// What a peer says of its T.38 stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fax {
    /// Where its UDPTL datagrams go.
    pub remote: SocketAddr,
    /// What it can, for the other side.
    pub terms: FaxTerms,
}

/// The parameters of a T.38 stream (`T38FaxVersion`, `T38MaxBitRate`, `T38FaxUdpEC`, …), in the order and the words in
/// which the peer wrote them: what they mean is between the two fax devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaxTerms(Box<str>);

impl FaxTerms {
    fn of(media: &Media<'_>) -> FaxTerms {
        let mut text = String::new();
        let ours = media.attributes().filter(|(name, _)| {
            name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"T38")) && is_plain(name)
        });
        for (name, value) in ours.take(MOST_TERMS) {
            let value = value.unwrap_or_default();
            if name.len() + value.len() > LONGEST_TERM || !is_plain(value) {
                continue;
            }
            let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
            let colon = if value.is_empty() { "" } else { ":" };
            push(&mut text, format_args!("a={name}{colon}{value}\r\n"));
        }
        FaxTerms(text.into())
    }
}

/// The T.38 stream of a description that has one and no audio stream beside it; `None` of all others.
///
/// # Errors
/// When there is one, and its address cannot be reached from ours.
pub fn fax(description: &Description, local: &Local) -> Option<Result<Fax, Unacceptable>> {
    let audio = |media: &Media<'_>| media.port() != 0 && offer_answer::is_audio(media);
    if description.media().any(|media| audio(&media)) {
        return None;
    }
    description.media().find(|media| media.port() != 0 && is_fax(media)).map(|media| read(&media, local))
}

/// Writes an offer of one T.38 stream within a session whose peer's last description was `peer`: it has the place of an
/// image stream, else of the audio (RFC 3264 §8.3.3), and every other stream keeps its place and is off.
pub fn offer_fax(local: &Local, terms: &FaxTerms, peer: Option<&Description>) -> Bytes {
    let mut text = offer_answer::head(local, "0 0");
    let media = || peer.into_iter().flat_map(Description::media);
    let place = media()
        .position(|media| is_fax(&media))
        .or_else(|| media().position(|media| media.port() != 0 && offer_answer::is_audio(&media)));
    match place {
        None => our_stream(&mut text, local, terms),
        Some(place) => with_others(&mut text, media(), place, |text| our_stream(text, local, terms)),
    }
    offer_answer::kept(text)
}

/// Answers an offer of which [`fax`] found a stream; `None` when there is none.
pub fn answer_fax(offer: &Description, local: &Local, terms: &FaxTerms) -> Option<Bytes> {
    let place = offer.media().position(|media| media.port() != 0 && is_fax(&media))?;
    let mut text = offer_answer::head(local, "0 0");
    with_others(&mut text, offer.media(), place, |text| our_stream(text, local, terms));
    Some(offer_answer::kept(text))
}

/// What follows from a peer's answer to our offer of T.38.
///
/// # Errors
/// When the peer did not take the stream.
pub fn accept_fax(sent: &Description, answer: &Description, local: &Local) -> Result<Fax, Unacceptable> {
    let place = sent.media().position(|media| media.port() != 0).ok_or(Unacceptable::Refused)?;
    // RFC 3264 §6: the nth stream of the answer answers the nth of the offer.
    let theirs = answer.nth_media(place).ok_or(Unacceptable::Refused)?;
    if theirs.port() == 0 || !is_fax(&theirs) {
        return Err(Unacceptable::Refused);
    }
    read(&theirs, local)
}

fn read(media: &Media<'_>, local: &Local) -> Result<Fax, Unacceptable> {
    let target = Target::of(media, local.address)?;
    Ok(Fax { remote: target.rtp, terms: FaxTerms::of(media) })
}

/// ITU-T T.38 §D.2.3: `m=image PORT udptl t38`.
pub(crate) fn is_fax(media: &Media<'_>) -> bool {
    media.kind().eq_ignore_ascii_case(b"image")
        && media.protocol().eq_ignore_ascii_case(b"udptl")
        && media.formats().any(|format| format.eq_ignore_ascii_case(b"t38"))
}

fn our_stream(text: &mut String, local: &Local, terms: &FaxTerms) {
    push(text, format_args!("m=image {} udptl t38\r\n{}", local.port, terms.0));
}

fn with_others<'a>(
    text: &mut String,
    media: impl Iterator<Item = Media<'a>>,
    ours: usize,
    write: impl Fn(&mut String),
) {
    for (place, media) in media.enumerate() {
        if place == ours {
            write(text);
        } else {
            offer_answer::refuse(text, &media);
        }
    }
}

/// Whether it can stand in a line of ours as it is.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}

/// Twelve are known (ITU-T T.38 §D.2.3).
const MOST_TERMS: usize = 24;
const LONGEST_TERM: usize = 128;

#[cfg(test)]
mod tests;
