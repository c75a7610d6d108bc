//! Owns what a file is, by its first bytes, and what is refused before anybody decodes it. Does not own decoding (see
//! [`super::decode`]).

use std::borrow::Cow;

use super::ImportError;

/// What the file is, when it may be readable.
///
/// # Errors
/// It is protected, of a format that is not read, or would unfold to more memory than a prompt may take.
pub(super) fn sniff(bytes: &[u8]) -> Result<&'static str, ImportError> {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    let holds = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
    for (magic, zh, en) in FOREIGN {
        if begins(magic) {
            return Err(ImportError::Unreadable(zh, en));
        }
    }
    if begins(b"RIFF") && holds(8, b"AVI ") {
        return Err(ImportError::Unreadable("视频 AVI", "a video (AVI)"));
    }
    if holds(4, b"ftyp") {
        return if is_protected(bytes) { Err(ImportError::Protected) } else { Ok("M4A") };
    }
    if begins(b"OggS") {
        return if unfolds(bytes) { Err(ImportError::Corrupt("OGG")) } else { Ok("OGG") };
    }
    let known = [(&b"RIFF"[..], "WAV"), (b"RF64", "WAV"), (b"fLaC", "FLAC"), (b"ID3", "MP3")];
    if let Some((_, name)) = known.iter().find(|(magic, _)| begins(magic)) {
        return Ok(name);
    }
    match bytes {
        // ISO 13818-7 §6.2: an ADTS header has layer 0 where MPEG audio has 1 to 3.
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Ok("AAC"),
        [0xff, second, ..] if second & 0xe0 == 0xe0 => Ok("MP3"),
        _ if is_text(bytes) => Err(ImportError::Unreadable("文本", "a text")),
        // Some MP3 files begin with padding.
        _ if bytes.windows(2).take(64 << 10).any(|two| two[0] == 0xff && two[1] & 0xe6 == 0xe2) => Ok("MP3"),
        _ => Err(ImportError::Unknown),
    }
}

/// The file in a form that the decoders take: without ID3 tags, and a G.711 WAV with the extension's length that RFC 2361
/// asks for and some programs leave out, and a RIFF at least as long as it is.
pub(super) fn as_decoders_like_it(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = without_tags(bytes);
    let Some(head) = bytes.first_chunk::<36>().filter(|head| head.starts_with(b"RIFF")) else {
        return Cow::Borrowed(bytes);
    };
    if head[12..16] == *b"fmt " && matches!(head[20..22], [6 | 7, 0]) && head[16..20] == [16, 0, 0, 0] {
        let extended = [&bytes[..16], &18u32.to_le_bytes(), &bytes[20..36], &[0, 0], &bytes[36..]].concat();
        return Cow::Owned(of_its_size(extended));
    }
    if is_short(bytes) { Cow::Owned(of_its_size(bytes.to_vec())) } else { Cow::Borrowed(bytes) }
}

/// Whether a RIFF file is longer than it says, as one is whose writer never came back to its beginning.
fn is_short(bytes: &[u8]) -> bool {
    let said = bytes.get(4..8).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes);
    said.is_some_and(|said| u64::from(said) + 8 < bytes.len() as u64)
}

/// The file, saying how long it is.
fn of_its_size(mut bytes: Vec<u8>) -> Vec<u8> {
    if is_short(&bytes)
        && let Ok(size) = u32::try_from(bytes.len() - 8)
    {
        bytes[4..8].copy_from_slice(&size.to_le_bytes());
    }
    bytes
}

/// The file without ID3 tags: pictures of a cover hide the music from a decoder that looks for it.
fn without_tags(mut bytes: &[u8]) -> &[u8] {
    // ID3v2 §3.1: ten bytes of header, four of them the length behind it, seven bits each.
    while let [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] = bytes {
        let length = [a, b, c, d].iter().fold(0usize, |sum, seven| sum << 7 | usize::from(**seven & 0x7f));
        let footer = if flags & 0x10 != 0 { 10 } else { 0 };
        let Some(rest) = bytes.get(10 + length + footer..) else { break };
        bytes = rest;
    }
    match bytes.split_last_chunk::<128>() {
        Some((music, [b'T', b'A', b'G', ..])) => music,
        _ => bytes,
    }
}

/// Whether the first sample entry of a track says that it is encrypted (ISO/IEC 14496-12 §8.12), or the brand says so.
fn is_protected(bytes: &[u8]) -> bool {
    let brand = bytes.get(8..12);
    let entries = bytes.windows(20).filter(|window| window.starts_with(b"stsd"));
    brand == Some(b"M4P ")
        || entries.into_iter().any(|entry| matches!(&entry[16..20], b"drms" | b"enca" | b"drmi" | b"encv"))
}

/// Whether the codebooks of a Vorbis header would take more memory than any encoder asks for: each says with a few bits
/// how many numbers it has (Vorbis I §3.2.1).
fn unfolds(bytes: &[u8]) -> bool {
    const MOST: u64 = 16 << 20;
    const SYNC: u64 = 0x56_4342;
    let (mut window, mut numbers) = (0u64, 0u64);
    for byte in ogg_payload(bytes) {
        for bit in 0..8 {
            // Vorbis packs the lowest bit first: after 64 bits the oldest stands lowest.
            window = window >> 1 | u64::from(byte >> bit & 1) << 63;
            if window & 0xff_ffff == SYNC {
                let (dimensions, entries) = (window >> 24 & 0xffff, window >> 40 & 0xff_ffff);
                // The decoder refuses larger ones itself.
                if dimensions <= 32 && entries <= 128 << 10 {
                    numbers += dimensions * entries;
                }
            }
        }
    }
    numbers > MOST
}

/// What the pages of an Ogg file hold (RFC 3533 §6).
fn ogg_payload(mut bytes: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let start = bytes.windows(4).position(|magic| magic == b"OggS")?;
        let page = &bytes[start..];
        let segments = usize::from(*page.get(26)?);
        let length: usize = page.get(27..27 + segments)?.iter().map(|length| usize::from(*length)).sum();
        let body = &page[27 + segments..];
        let body = &body[..length.min(body.len())];
        bytes = &page[27 + segments + body.len()..];
        Some(body)
    })
    .flatten()
    .copied()
}

fn is_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(512)];
    head.iter().all(|byte| matches!(byte, b'\t' | b'\r' | b'\n' | 0x20..=0x7e))
}

/// Formats that people upload and nobody here reads: magic, names.
const FOREIGN: [(&[u8], &str, &str); 18] = [
    (b"#!AMR", "AMR 手机录音", "AMR"),
    (b"#!SILK", "微信语音 SILK", "SILK"),
    (b"\x02#!SILK", "微信语音 SILK", "SILK"),
    (b"\x30\x26\xb2\x75", "WMA", "WMA"),
    (b"MThd", "MIDI", "MIDI"),
    (b"MAC ", "APE", "APE"),
    (b"wvpk", "WavPack", "WavPack"),
    (b"FORM", "AIFF", "AIFF"),
    (b"caff", "CAF", "CAF"),
    (b".snd", "AU", "AU"),
    (b"\x1a\x45\xdf\xa3", "MKV/WebM", "MKV or WebM"),
    (b"FLV", "FLV 视频", "a video (FLV)"),
    (b"%PDF", "PDF", "PDF"),
    (b"PK\x03\x04", "压缩包或 Office", "an archive or Office document"),
    (b"Rar!", "压缩包", "an archive"),
    (b"7z\xbc\xaf", "压缩包", "an archive"),
    (b"\x89PNG", "图片", "a picture"),
    (b"\xff\xd8\xff", "图片", "a picture"),
];
