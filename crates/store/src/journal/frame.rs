//! Owns the bytes of the journal: length (u32, little endian), CRC-32C of the payload (u32, little endian), payload
//! (JSON of one stamped event). Does not own files (see [`super::files`]).

use std::io;

use model::event::Stamped;

/// What every file begins with; the last byte is the format.
pub(super) const HEADER: &[u8; 16] = b"HOTLINE-EVENTS\0\x01";
const FORMAT_AT: usize = 15;
/// No event is longer: a longer length is damage.
const LONGEST: usize = 1 << 20;
const PREFIX: usize = 8;
/// How every payload begins: the serialised order of `Stamped`'s fields.
const PAYLOAD_BEGINS: &[u8] = b"{\"seq\":";

/// Appends the frame of `stamped` to `buffer`.
///
/// # Errors
/// When the event cannot be written as JSON or is longer than 1 MiB; `buffer` is then as before.
pub(super) fn encode(stamped: &Stamped, buffer: &mut Vec<u8>) -> io::Result<()> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; PREFIX]);
    let written = serde_json::to_writer(&mut *buffer, stamped).map_err(io::Error::from);
    let length = buffer.len() - start - PREFIX;
    if let Err(error) = written.and_then(|()| too_long(length)) {
        buffer.truncate(start);
        return Err(error);
    }
    let crc = crc32c::crc32c(&buffer[start + PREFIX..]);
    // invariant: `too_long` let it pass, so it fits 32 bits.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    buffer[start + 4..start + PREFIX].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

fn too_long(length: usize) -> io::Result<()> {
    if length > LONGEST {
        return Err(io::Error::other("event longer than 1 MiB"));
    }
    Ok(())
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq)]
pub(super) enum At {
    /// A whole frame; the next one begins at `next`.
    Event { event: Box<Stamped>, next: usize },
    /// Damage, behind which a whole frame begins at `next`.
    Damage { next: usize },
    /// Nothing whole follows: the end, or a torn tail.
    End,
}

/// What stands in `bytes` at `place`.
pub(super) fn read(bytes: &[u8], place: usize) -> At {
    if let Some((event, next)) = whole(bytes, place) {
        return At::Event { event, next };
    }
    let begins = memchr::memmem::find_iter(bytes.get(place..).unwrap_or_default(), PAYLOAD_BEGINS);
    // A payload begins behind its prefix; one that begins at `place` itself is part of the damage.
    let candidates = begins.filter(|found| *found > PREFIX).map(|found| place + found - PREFIX);
    match candidates.into_iter().find(|candidate| whole(bytes, *candidate).is_some()) {
        Some(next) => At::Damage { next },
        None => At::End,
    }
}

fn whole(bytes: &[u8], place: usize) -> Option<(Box<Stamped>, usize)> {
    let prefix = bytes.get(place..place + PREFIX)?;
    let (length, crc) = prefix.split_at(4);
    let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
    let crc = u32::from_le_bytes(crc.try_into().ok()?);
    if length == 0 || length > LONGEST {
        return None;
    }
    let next = place + PREFIX + length;
    let payload = bytes.get(place + PREFIX..next)?;
    if crc32c::crc32c(payload) != crc {
        return None;
    }
    Some((Box::new(serde_json::from_slice(payload).ok()?), next))
}

/// Whose file begins with `bytes`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Ours.
    Ours,
    /// Ours, cut while the header was written.
    Unfinished,
    /// A newer program's.
    Newer,
    /// Somebody else's.
    Foreign,
}

/// Whose file it is that begins with `bytes`.
pub(super) fn origin(bytes: &[u8]) -> Origin {
    if bytes.len() < HEADER.len() {
        let ours = HEADER.starts_with(bytes) || bytes.iter().all(|byte| *byte == 0);
        return if ours { Origin::Unfinished } else { Origin::Foreign };
    }
    match (bytes[..FORMAT_AT] == HEADER[..FORMAT_AT], bytes[FORMAT_AT]) {
        (true, format) if format <= HEADER[FORMAT_AT] => Origin::Ours,
        (true, _) => Origin::Newer,
        // A file whose first block never reached the disk.
        (false, _) if bytes.iter().all(|byte| *byte == 0) => Origin::Unfinished,
        (false, _) => Origin::Foreign,
    }
}
