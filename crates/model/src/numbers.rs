//! Owns the forms in which Chinese carriers write a caller's number, and the one form that records keep.
//! Does not own where a number belongs beyond its area code.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// A caller's number as written and as kept.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Caller {
    /// As the peer wrote it.
    pub raw: Arc<str>,
    /// What kind of number it is.
    pub kind: CallerKind,
    /// The one form for records, lists and displays: mobile 11 digits, fixed `0` + area + number, service and
    /// short numbers as dialled, abroad `00…`; empty for an anonymous caller.
    pub normalised: Arc<str>,
    /// The area code with its 0, of fixed numbers and of others dialled behind one.
    pub area: Option<Arc<str>>,
}

/// Kinds of callers' numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerKind {
    /// 手机, 11 digits.
    Mobile,
    /// 固话, area code and 7 or 8 digits.
    Fixed,
    /// 400 and 800 numbers.
    Service,
    /// 短号码: 110, 10086, 95588, 96110, 12315.
    Short,
    /// Abroad, Hong Kong, Macau and Taiwan.
    International,
    /// Withheld or absent.
    Anonymous,
    /// A short number of a PBX.
    Extension,
    /// A name instead of a number.
    Alias,
    /// None of these.
    Unknown,
}

impl Caller {
    /// The caller meant by `raw`: a user part, a `tel:` or `sip:` URI, or a name-addr. `home_area` (`010`) is for
    /// fixed numbers without an area code.
    pub fn parse(raw: &str, home_area: Option<&str>) -> Caller {
        let written = Written::of(raw);
        let found = match &written {
            Written::Nothing => Found::new(CallerKind::Anonymous, ""),
            Written::Name(name) => Found::new(CallerKind::Alias, name.as_ref()),
            Written::Abroad(digits) => Found::new(CallerKind::International, format!("00{digits}")),
            Written::National(digits) => classify(digits, home_area),
        };
        Caller {
            raw: Arc::from(raw),
            kind: found.kind,
            normalised: Arc::from(found.number.as_ref()),
            area: found.area.map(Arc::from),
        }
    }

    /// Whether the number was withheld.
    pub fn is_anonymous(&self) -> bool {
        self.kind == CallerKind::Anonymous
    }
}

/// The digits of a called number without its country code and international prefix, `0` of an area code kept:
/// `+864008001234`, `00864008001234` and `864008001234` are `4008001234`. Numbers abroad and anything but
/// digits are returned as they are.
pub fn national(called: &str) -> &str {
    let rest = called.strip_prefix('+').or_else(|| called.strip_prefix("00")).unwrap_or(called);
    match rest.strip_prefix("86") {
        Some(national) if national.len() >= MIN_NATIONAL && is_digits(national) => national,
        _ => called,
    }
}

/// An area code as written in the table, with its province and city: `0755`, 广东, 深圳.
pub fn place_of_area(area: &str) -> Option<(&'static str, &'static str, &'static str)> {
    AREAS.get_key_value(area).map(|(code, (province, city))| (*code, *province, *city))
}

/// What was written, before its digits are looked at.
enum Written<'a> {
    Nothing,
    Name(Cow<'a, str>),
    /// Country code and number, not of mainland China.
    Abroad(String),
    /// Digits without `+86`.
    National(String),
}

impl<'a> Written<'a> {
    fn of(raw: &'a str) -> Written<'a> {
        // RFC 3261 §20.10: in a name-addr the URI stands in angle brackets.
        let uri = match raw.find('<') {
            Some(at) => raw[at + 1..].split('>').next().unwrap_or_default(),
            None => raw,
        };
        let uri = uri.trim();
        let is_sip = starts_with_scheme(uri, "sip:") || starts_with_scheme(uri, "sips:");
        let is_tel = starts_with_scheme(uri, "tel:");
        let address = if is_sip || is_tel { uri.split_once(':').map_or("", |(_, rest)| rest) } else { uri };
        let (user, host) = match address.rsplit_once('@') {
            Some((user, host)) => (user, host),
            None if is_sip => ("", address),
            None => (address, ""),
        };
        // RFC 3323 §4.1.1.3: an anonymous caller's host is anonymous.invalid.
        if starts_with_scheme(host, "anonymous.invalid") {
            return Written::Nothing;
        }
        let (subscriber, parameters) = user.split_once(';').unwrap_or((user, ""));
        let subscriber = unescape(subscriber.trim());
        if subscriber.is_empty() || WITHHELD.iter().any(|word| subscriber.eq_ignore_ascii_case(word)) {
            return Written::Nothing;
        }
        let Some(digits) = digits_of(&subscriber) else { return Written::Name(subscriber) };
        with_context(digits, parameters).unwrap_or(Written::Name(subscriber))
    }
}

/// Applies `phone-context` (RFC 3966 §5.1.5), then the country code.
fn with_context<'a>(digits: String, parameters: &str) -> Option<Written<'a>> {
    let context = parameters.split(';').find_map(|p| p.trim().strip_prefix("phone-context=+"));
    let digits = match context.map(digits_of) {
        Some(Some(context)) if !digits.starts_with('+') => format!("+{context}{digits}"),
        _ => digits,
    };
    let full = digits.strip_prefix('+').or_else(|| digits.strip_prefix("00"));
    Some(match full {
        Some(full) if !is_digits(full) => return None,
        Some(full) => match full.strip_prefix("86") {
            Some(national) => Written::National(national.to_owned()),
            None => Written::Abroad(full.to_owned()),
        },
        None => match digits.strip_prefix("86") {
            Some(rest) if rest.len() >= MIN_NATIONAL => Written::National(rest.to_owned()),
            _ => Written::National(digits),
        },
    })
}

/// A national number's kind, form and area code.
struct Found<'n> {
    kind: CallerKind,
    number: Cow<'n, str>,
    area: Option<String>,
}

impl<'n> Found<'n> {
    fn new(kind: CallerKind, number: impl Into<Cow<'n, str>>) -> Found<'n> {
        Found { kind, number: number.into(), area: None }
    }

    fn in_area(self, area: &str) -> Found<'n> {
        Found { area: Some(area.to_owned()), ..self }
    }
}

fn classify<'n>(written: &'n str, home_area: Option<&str>) -> Found<'n> {
    let number = without_ip_prefix(written);
    if let Some(behind) = number.strip_prefix('0') {
        if is_mobile(behind) {
            return Found::new(CallerKind::Mobile, behind);
        }
        if is_service(behind) {
            return Found::new(CallerKind::Service, behind);
        }
        return behind_area(number).unwrap_or(Found::new(CallerKind::Unknown, number));
    }
    if is_mobile(number) {
        return Found::new(CallerKind::Mobile, number);
    }
    if is_service(number) {
        return Found::new(CallerKind::Service, number);
    }
    if is_short(number) {
        return Found::new(CallerKind::Short, number);
    }
    if is_local(number) {
        return match home_area {
            Some(area) => Found::new(CallerKind::Fixed, format!("{area}{number}")).in_area(area),
            None => Found::new(CallerKind::Fixed, number),
        };
    }
    if (10..=11).contains(&number.len()) {
        let with_zero = format!("0{number}");
        if let Some(Found { kind: CallerKind::Fixed, area, .. }) = behind_area(&with_zero) {
            return Found { kind: CallerKind::Fixed, number: with_zero.into(), area };
        }
    }
    if (2..=6).contains(&number.len()) {
        return Found::new(CallerKind::Extension, number);
    }
    Found::new(CallerKind::Unknown, number)
}

/// A number that begins with a known area code: fixed, short, or a mobile dialled behind it.
fn behind_area(number: &str) -> Option<Found<'_>> {
    let area =
        [3, 4].into_iter().filter_map(|len| number.get(..len)).find(|code| AREAS.contains_key(code))?;
    let rest = &number[area.len()..];
    let found = if is_mobile(rest) {
        Found::new(CallerKind::Mobile, rest)
    } else if is_local(rest) {
        Found::new(CallerKind::Fixed, number)
    } else if is_short(rest) {
        Found::new(CallerKind::Short, rest)
    } else {
        return None;
    };
    Some(found.in_area(area))
}

/// IP-call prefixes (179xx, 12593, 11xxx and 12xxx) glued to a mobile or to a number that begins with 0.
fn without_ip_prefix(number: &str) -> &str {
    let is_prefix = number.starts_with("179") || number.starts_with("11") || number.starts_with("12");
    match number.get(5..) {
        Some(rest) if is_prefix && is_mobile(rest.strip_prefix('0').unwrap_or(rest)) => rest,
        Some(rest) if is_prefix && rest.starts_with('0') && behind_area(rest).is_some() => rest,
        _ => number,
    }
}

fn is_mobile(number: &str) -> bool {
    matches!(number.as_bytes(), [b'1', b'3'..=b'9', ..]) && number.len() == 11
}

fn is_service(number: &str) -> bool {
    number.len() == 10 && (number.starts_with("400") || number.starts_with("800"))
}

/// A subscriber's number within its area.
fn is_local(number: &str) -> bool {
    matches!(number.as_bytes(), [b'2'..=b'8', ..]) && matches!(number.len(), 7 | 8)
}

/// MIIT's short numbers: 1xx and 1xxxx, 95xxx with what enterprises put behind it, 96xxx.
fn is_short(number: &str) -> bool {
    match number.as_bytes() {
        [b'1', b'1' | b'2', _] => true,
        [b'1', b'0' | b'1' | b'2', _, _, _] => true,
        [b'9', b'5', ..] => (5..=16).contains(&number.len()),
        [b'9', b'6', ..] => (5..=6).contains(&number.len()),
        _ => false,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits of `text` with a leading `+`, visual separators (RFC 3966 §3) dropped and full-width digits
/// narrowed; None when it is not a number.
fn digits_of(text: &str) -> Option<String> {
    let mut digits = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '０'..='９' => digits.push(char::from(b'0' + (u32::from(c) - u32::from('０')) as u8)),
            '+' | '＋' if digits.is_empty() => digits.push('+'),
            '-' | '.' | '(' | ')' | ' ' => {}
            _ => return None,
        }
    }
    digits.bytes().any(|byte| byte.is_ascii_digit()).then_some(digits)
}

/// RFC 3261 §19.1.2: `%2B` stands for `+`.
fn unescape(user: &str) -> Cow<'_, str> {
    if !user.contains('%') {
        return Cow::Borrowed(user);
    }
    let mut bytes = Vec::with_capacity(user.len());
    let mut rest = user.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn starts_with_scheme(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// What stands for a number that is withheld.
const WITHHELD: [&str; 7] =
    ["anonymous", "unknown", "unavailable", "restricted", "private", "withheld", "invalid"];

/// `86` is a country code only before this many digits.
const MIN_NATIONAL: usize = 10;

/// The area codes with their 0, each with its province and city.
static AREAS: LazyLock<HashMap<&'static str, (&'static str, &'static str)>> = LazyLock::new(|| {
    let of_line = |line: &'static str| {
        let mut parts = line.split(',');
        Some((parts.next()?, (parts.next()?, parts.next()?)))
    };
    include_str!("../data/area_codes.csv").lines().skip(1).filter_map(of_line).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: &str) -> (CallerKind, String) {
        let caller = Caller::parse(raw, Some("010"));
        (caller.kind, caller.normalised.to_string())
    }

    #[test]
    fn a_called_number_loses_its_country_code_and_nothing_else() {
        let table = [
            ("4008001234", "4008001234"),
            ("+864008001234", "4008001234"),
            ("00864008001234", "4008001234"),
            ("864008001234", "4008001234"),
            ("+8601065551234", "01065551234"),
            ("+85223456789", "+85223456789"),
            ("8612345", "8612345"),
            ("sales", "sales"),
            ("", ""),
        ];
        for (called, national_form) in table {
            assert_eq!(national(called), national_form, "{called}");
        }
    }

    #[test]
    fn escapes_full_width_digits_and_separators_are_read() {
        let mobile = (CallerKind::Mobile, "13800138000".to_owned());
        for raw in
            ["%2B8613800138000", "１３８００１３８０００", "＋86 138-0013-8000", "sip:%2b8613800138000@x"]
        {
            assert_eq!(of(raw), mobile, "{raw}");
        }
    }

    #[test]
    fn an_anonymous_host_hides_the_user() {
        assert_eq!(of("sip:13800138000@anonymous.invalid").0, CallerKind::Anonymous);
        assert_eq!(of("sip:pbx.example").0, CallerKind::Anonymous);
        assert_eq!(of("").0, CallerKind::Anonymous);
    }

    #[test]
    fn without_a_home_area_a_local_number_stays_short() {
        let caller = Caller::parse("65551234", None);
        assert_eq!((caller.kind, &*caller.normalised, caller.area), (CallerKind::Fixed, "65551234", None));
    }

    #[test]
    fn rubbish_never_panics() {
        for raw in [
            "<",
            "<>",
            "tel:",
            "sip:@",
            "%",
            "%2",
            "%zz",
            "+",
            "++86",
            "é@",
            "tel:;phone-context=+86",
            "北京",
            "<sip:é",
        ] {
            Caller::parse(raw, Some("é"));
        }
    }
}
