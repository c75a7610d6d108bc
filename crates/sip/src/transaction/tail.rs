//! Owns how a finished transaction remembers the message that it may have to repeat: as a recipe that copies from
//! the retransmission which asks for it. A 200 to BYE of 400 bytes is remembered in some 100.

use bytes::Bytes;
use smallvec::SmallVec;

/// A message as pieces of another.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Of the message copied from: a retransmission is identical.
    source: u64,
    /// Pieces: `len` and `from` for a copy, `len` and bytes for a literal.
    recipe: Box<[u8]>,
}

impl Tail {
    /// The recipe that makes `message` from `source`.
    pub(crate) fn new(source: &[u8], message: &[u8]) -> Tail {
        let mut recipe: Text = SmallVec::new();
        if source.len() <= usize::from(u16::MAX) && message.len() <= usize::from(u16::MAX) {
            let mut lines = Lines::of(source);
            // How much of the message has been looked at, and how much is in the recipe.
            let (mut at, mut done) = (0, 0);
            while at < message.len() {
                if let Some(from) = lines.begin_as(&message[at..]) {
                    // Lines that follow each other in both are one piece.
                    let len = shared_len(&source[from..], &message[at..]).min(COPY - 1);
                    push_literal(&mut recipe, &message[done..at]);
                    push_u16(&mut recipe, COPY | len);
                    push_u16(&mut recipe, from);
                    (at, done) = (at + len, at + len);
                    lines.pass(from + len);
                    if message[..at].ends_with(b"\n") {
                        continue;
                    }
                }
                at += memchr::memchr(b'\n', &message[at..]).map_or(message.len() - at, |end| end + 1);
            }
            push_literal(&mut recipe, &message[done..]);
        }
        Tail { source: fingerprint(source), recipe: recipe[..].into() }
    }

    /// The message again; `None` when `source` is not what it was made from.
    pub(crate) fn message(&self, source: &[u8]) -> Option<Bytes> {
        if self.source != fingerprint(source) || self.recipe.is_empty() {
            return None;
        }
        let mut message = Vec::with_capacity(512);
        let mut rest = &self.recipe[..];
        while !rest.is_empty() {
            let head = take_u16(&mut rest)?;
            let len = head & !COPY;
            if head & COPY == 0 {
                message.extend_from_slice(rest.get(..len)?);
                rest = &rest[len..];
            } else {
                let from = take_u16(&mut rest)?;
                message.extend_from_slice(source.get(from..from + len)?);
            }
        }
        Some(message.into())
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.recipe.len()
    }
}

/// Marks a piece that is copied; lengths stay below it.
const COPY: usize = 0x8000;
/// The shortest copy that saves anything.
const WORTH: usize = 12;

/// Bytes that mostly need no place on the heap.
type Text = SmallVec<[u8; 128]>;

/// The lines of a source, of which a message has most in the same order.
struct Lines<'a> {
    source: &'a [u8],
    /// Where they begin.
    starts: SmallVec<[u16; 32]>,
    /// The first that is not copied yet.
    next: usize,
}

impl<'a> Lines<'a> {
    /// Of `source`, which is shorter than 64 KiB.
    fn of(source: &'a [u8]) -> Lines<'a> {
        let behind = memchr::memchr_iter(b'\n', source).map(|end| (end + 1) as u16);
        Lines { source, starts: std::iter::once(0).chain(behind).collect(), next: 0 }
    }

    /// Where a line begins as `text` does: the next one if it can be, which keeps lines of one name apart; nothing where
    /// that is too short to be worth a copy.
    fn begin_as(&self, text: &[u8]) -> Option<usize> {
        let start = text.get(..WORTH)?;
        let fits = |at: &&u16| {
            let line = &self.source[usize::from(**at)..];
            // Most lines differ at once.
            line.first() == start.first() && line.starts_with(start)
        };
        let (before, behind) = self.starts.split_at(self.next);
        behind.iter().chain(before).find(fits).map(|at| usize::from(*at))
    }

    /// Lines that begin before `at` are copied.
    fn pass(&mut self, at: usize) {
        self.next = self.starts.partition_point(|start| usize::from(*start) < at);
    }
}

/// How many bytes both begin with.
fn shared_len(one: &[u8], other: &[u8]) -> usize {
    let eights = one.chunks_exact(8).zip(other.chunks_exact(8));
    let whole = 8 * eights.take_while(|(a, b)| a == b).count();
    whole + one[whole..].iter().zip(&other[whole..]).take_while(|(a, b)| a == b).count()
}

fn push_literal(recipe: &mut Text, literal: &[u8]) {
    for piece in literal.chunks(COPY - 1) {
        push_u16(recipe, piece.len());
        recipe.extend_from_slice(piece);
    }
}

fn push_u16(recipe: &mut Text, value: usize) {
    // invariant: callers keep `value` below 2^16 (lengths are checked in `new`).
    recipe.extend_from_slice(&(value as u16).to_be_bytes());
}

fn take_u16(rest: &mut &[u8]) -> Option<usize> {
    let (head, tail) = rest.split_at_checked(2)?;
    *rest = tail;
    Some(usize::from(u16::from_be_bytes([head[0], head[1]])))
}

/// Tells a retransmission from another message that came under its name. Whoever makes two that are alike to it is sent
/// lines of his own.
fn fingerprint(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, word: u64| (sum.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"BYE sip:4008001234@198.51.100.1:5060 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKnashds10;rport\r\nMax-Forwards: 70\r\n\
        From: \"\xd5\xc5\xc8\xfd\" <sip:13800138000@192.0.2.4>;tag=1928301774\r\n\
        To: <sip:4008001234@198.51.100.1>;tag=a6c85cf1a6c85cf1\r\n\
        Call-ID: a84b4c76e66710@pc33.example.com\r\nCSeq: 231 BYE\r\nContent-Length: 0\r\n\r\n";
    const RESPONSE: &[u8] = b"SIP/2.0 200 OK\r\n\
        Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKnashds10;rport=5060;received=192.0.2.4\r\n\
        From: \"\xd5\xc5\xc8\xfd\" <sip:13800138000@192.0.2.4>;tag=1928301774\r\n\
        To: <sip:4008001234@198.51.100.1>;tag=a6c85cf1a6c85cf1\r\n\
        Call-ID: a84b4c76e66710@pc33.example.com\r\nCSeq: 231 BYE\r\nServer: hotline\r\n\
        Content-Length: 0\r\n\r\n";

    #[test]
    fn a_tail_makes_the_same_bytes_again_and_is_small() {
        let tail = Tail::new(REQUEST, RESPONSE);
        assert_eq!(tail.message(REQUEST).as_deref(), Some(RESPONSE));
        assert!(tail.heap_bytes() <= 110, "{}", tail.heap_bytes());
    }

    #[test]
    fn another_message_is_not_answered_with_a_patchwork() {
        let tail = Tail::new(REQUEST, RESPONSE);
        let mut other = REQUEST.to_vec();
        other[70] ^= 1;
        assert_eq!(tail.message(&other), None);
    }

    #[test]
    fn bytes_that_share_nothing_are_kept_as_they_are() {
        let message: Vec<u8> = (0..60_000_u32).map(|n| (n * 7 % 251) as u8).collect();
        assert_eq!(Tail::new(b"", &message).message(b"").as_deref(), Some(&message[..]));
        assert_eq!(Tail::new(REQUEST, &message).message(REQUEST).as_deref(), Some(&message[..]));
    }
}
