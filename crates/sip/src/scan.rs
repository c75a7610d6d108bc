//! Owns the walk over header text: linear white space, tokens, quoted strings, lists. Does not own what they mean.

/// A range of bytes in a value of at most 64 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// `start..end`; `None` when it lies beyond 64 KiB.
    pub(crate) fn new(start: usize, end: usize) -> Option<Span> {
        Some(Span { start: u16::try_from(start).ok()?, end: u16::try_from(end).ok()? })
    }

    /// The bytes of `raw` it covers; empty when it does not fit.
    pub(crate) fn of(self, raw: &[u8]) -> &[u8] {
        raw.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    pub(crate) fn range(self) -> std::ops::Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The same range of a text in which what began at `from` begins at `to`.
    pub(crate) fn moved(self, from: usize, to: usize) -> Span {
        let moved = |place: u16| {
            let place = (usize::from(place) + to).saturating_sub(from);
            u16::try_from(place).unwrap_or(u16::MAX)
        };
        Span { start: moved(self.start), end: moved(self.end) }
    }
}

/// Space or tab: folded lines are unfolded before anything looks at a value.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// RFC 3261 §25.1 `token`.
pub(crate) const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let mark = matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        table[byte as usize] = byte.is_ascii_alphanumeric() || mark;
        byte += 1;
    }
    table
};

/// Whether `text` is one `token`.
pub(crate) fn token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token(*byte))
}

/// `text` without white space at both ends.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_lws(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_lws(*last)
    {
        text = rest;
    }
    text
}

/// `range` of `text` without white space at both ends.
pub(crate) fn trimmed(text: &[u8], mut range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    while range.start < range.end && is_lws(text[range.start]) {
        range.start += 1;
    }
    while range.start < range.end && is_lws(text[range.end - 1]) {
        range.end -= 1;
    }
    range
}

/// Where the white space at `at` ends.
pub(crate) fn skip_lws(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|byte| is_lws(*byte)) {
        at += 1;
    }
    at
}

/// The index after the closing quote of the quoted string that opens at `at`.
pub(crate) fn quoted_end(text: &[u8], at: usize) -> Option<usize> {
    let mut index = at + 1;
    loop {
        match text.get(index) {
            Some(b'\\') => index += 2,
            Some(b'"') => return Some(index + 1),
            Some(_) => index += 1,
            None => return gbk_quoted_end(text, at),
        }
    }
}

/// As [`quoted_end`] for a string that does not end by RFC 3261: half of GBK's characters are a byte above 0x80 and
/// one that may be a backslash. PBXes in China send names so.
fn gbk_quoted_end(text: &[u8], at: usize) -> Option<usize> {
    let mut index = at + 1;
    loop {
        match text.get(index)? {
            b'\\' | 0x81..=0xfe => index += 2,
            b'"' => return Some(index + 1),
            _ => index += 1,
        }
    }
}

/// The first `wanted` byte from `at` on that stands outside quoted strings and `<…>`; the end when there is none.
pub(crate) fn find_outside(text: &[u8], at: usize, wanted: u8) -> usize {
    let mut index = at;
    let mut in_angle = false;
    while let Some(byte) = text.get(index) {
        match byte {
            // Inside <…> a quote is part of a URI; outside it opens a string.
            b'"' if !in_angle => match quoted_end(text, index) {
                Some(end) => {
                    index = end;
                    continue;
                }
                None => return text.len(),
            },
            b'<' => in_angle = true,
            b'>' => in_angle = false,
            byte if *byte == wanted && !in_angle => return index,
            _ => {}
        }
        index += 1;
    }
    text.len()
}

/// `1*DIGIT` that fits.
pub(crate) fn number<N: TryFrom<u64>>(text: &[u8]) -> Option<N> {
    if text.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    N::try_from(value).ok()
}

/// A number as it is written, without a place on the heap: each message has several.
pub(crate) struct Decimal {
    text: [u8; 20],
    start: usize,
}

impl Decimal {
    pub(crate) fn of(mut number: u64) -> Decimal {
        let mut decimal = Decimal { text: [0; 20], start: 20 };
        loop {
            decimal.start -= 1;
            decimal.text[decimal.start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    pub(crate) fn digits(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

/// Appends `number` in digits, without the cost of a format.
pub(crate) fn push_decimal(out: &mut String, number: u64) {
    out.extend(Decimal::of(number).digits().iter().map(|digit| char::from(*digit)));
}

/// The elements of a comma list: trimmed; commas in quoted strings and `<…>` do not separate.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    pub(crate) fn of(list: &'a [u8]) -> Elements<'a> {
        Elements { rest: Some(list) }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        // Most lists have one element: look for any comma before minding quotes.
        let comma = memchr::memchr(b',', rest);
        let end = comma.map_or(rest.len(), |_| find_outside(rest, 0, b','));
        self.rest = rest.get(end + 1..);
        Some(trim(&rest[..end]))
    }
}
