//! Owns the region (归属地) of a caller's number: province and city by the area code of a fixed number and by the first seven
//! digits of a mobile one. Does not own how numbers are written (see `model::numbers`), nor what follows from a region.

use std::sync::LazyLock;

use model::numbers::{Caller, CallerKind, place_of_area};

/// Where a number belongs, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where.
    pub place: Place,
    /// How that is known.
    pub known_by: KnownBy,
}

/// Where a number belongs (R11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A city of the mainland.
    City {
        /// 省, 自治区 or 直辖市, without that word: 广东.
        province: &'static str,
        /// 地级市, without that word: 深圳.
        city: &'static str,
        /// Its area code with the 0.
        area: &'static str,
    },
    /// 香港
    HongKong,
    /// 澳门
    Macau,
    /// 台湾
    Taiwan,
    /// 国外
    Abroad,
    /// 未知
    Unknown,
}

/// What a region is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// The area code, or what stands for it in a number abroad.
    Code,
    /// The first seven digits of a mobile number.
    Prefix,
    /// The other known prefixes of the same ten, which agree.
    Neighbours,
    /// Nothing: the number says nothing of a region, or nobody knows it.
    Nothing,
}

impl Region {
    /// The region of `caller`.
    pub fn of(caller: &Caller) -> Region {
        match caller.kind {
            CallerKind::Mobile => of_mobile(&caller.normalised),
            CallerKind::International => of_abroad(&caller.normalised),
            _ => {
                let found = caller.area.as_deref().and_then(|area| place_of_area(area));
                found.map_or(UNKNOWN, |(area, province, city)| Region {
                    place: Place::City { province, city, area },
                    known_by: KnownBy::Code,
                })
            }
        }
    }

    /// The region of a number as records have it, in the words Chinese users know.
    pub fn in_words(number: &str) -> String {
        Region::of(&Caller::parse(number, None)).place.zh()
    }
}

impl Place {
    /// The words Chinese users know: 广东深圳, 北京, 香港.
    pub fn zh(self) -> String {
        match self {
            Place::City { province, city, .. } if province == city => city.to_owned(),
            Place::City { province, city, .. } => format!("{province}{city}"),
            Place::HongKong => "香港".to_owned(),
            Place::Macau => "澳门".to_owned(),
            Place::Taiwan => "台湾".to_owned(),
            Place::Abroad => "国外".to_owned(),
            Place::Unknown => "未知".to_owned(),
        }
    }
}

/// By the country codes of ITU-T E.164.
fn of_abroad(number: &str) -> Region {
    let place = match number.get(..5) {
        Some("00852") => Place::HongKong,
        Some("00853") => Place::Macau,
        Some("00886") => Place::Taiwan,
        _ => Place::Abroad,
    };
    Region { place, known_by: KnownBy::Code }
}

fn of_mobile(number: &str) -> Region {
    let prefix = number.get(..7).and_then(|digits| digits.parse::<u32>().ok());
    let Some(at) = prefix.and_then(|prefix| prefix.checked_sub(FIRST)) else { return UNKNOWN };
    let city = |place: u16, known_by| {
        let found = PLACES.get(usize::from(place)).copied();
        found.map_or(UNKNOWN, |place| Region { place, known_by })
    };
    match MOBILE.at(at) {
        NOWHERE => {}
        place => return city(place, KnownBy::Prefix),
    }
    // Prefixes are given out in tens: where all known ones of the ten agree, those given out since are there too.
    let ten = at / 10 * 10;
    let mut known = (ten..ten + 10).map(|near| MOBILE.at(near)).filter(|place| *place != NOWHERE);
    match known.next() {
        Some(first) if known.all(|place| place == first) => city(first, KnownBy::Neighbours),
        _ => UNKNOWN,
    }
}

/// Runs of prefixes of one place.
struct Runs {
    /// The first prefix behind each run, counted from [`FIRST`].
    ends: Vec<u32>,
    places: Vec<u16>,
}

impl Runs {
    fn read(bytes: &[u8]) -> Runs {
        let mut end = 0;
        let runs = bytes.chunks_exact(2).map(|pair| {
            let run = u16::from_le_bytes([pair[0], pair[1]]);
            end += u32::from(run >> 9) + 1;
            (end, run & NOWHERE)
        });
        let (ends, places) = runs.unzip();
        Runs { ends, places }
    }

    /// The place of prefix `at`.
    fn at(&self, at: u32) -> u16 {
        let run = self.ends.partition_point(|end| *end <= at);
        self.places.get(run).copied().unwrap_or(NOWHERE)
    }
}

const UNKNOWN: Region = Region { place: Place::Unknown, known_by: KnownBy::Nothing };
/// The first prefix of the table.
const FIRST: u32 = 1_300_000;
/// Not known.
const NOWHERE: u16 = 511;

/// See `data/NOTICE`.
static MOBILE: LazyLock<Runs> = LazyLock::new(|| Runs::read(include_bytes!("../data/mobile_prefixes.bin")));

static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
    let of_line = |line: &'static str| {
        let mut parts = line.split(',');
        Some(Place::City { province: parts.next()?, city: parts.next()?, area: parts.next()? })
    };
    include_str!("../data/places.csv").lines().skip(1).filter_map(of_line).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: &str) -> (String, KnownBy) {
        let region = Region::of(&Caller::parse(raw, Some("010")));
        (region.place.zh(), region.known_by)
    }

    #[test]
    fn a_number_belongs_where_its_code_or_its_first_seven_digits_say() {
        use KnownBy::{Code, Neighbours, Nothing, Prefix};
        let table = [
            ("13800138000", "北京", Prefix),
            ("+8613800138000", "北京", Prefix),
            // Dialled behind an area code, and still a mobile of its own place.
            ("075513800138000", "北京", Prefix),
            // Given out since: its neighbours agree, and do not.
            ("14012100000", "浙江杭州", Neighbours),
            ("13447100000", "未知", Nothing),
            ("075512345678", "未知", Nothing),
            ("075526001234", "广东深圳", Code),
            ("+8675526001234", "广东深圳", Code),
            ("65551234", "北京", Code),
            ("95588", "未知", Nothing),
            ("4008001234", "未知", Nothing),
            ("+85223456789", "香港", Code),
            ("0085328123456", "澳门", Code),
            ("+886223456789", "台湾", Code),
            ("+14155550100", "国外", Code),
            ("anonymous", "未知", Nothing),
            ("8001", "未知", Nothing),
        ];
        for (raw, place, by) in table {
            assert_eq!(of(raw), (place.to_owned(), by), "{raw}");
            let kept = Caller::parse(raw, Some("010"));
            if kept.kind == CallerKind::Mobile || kept.normalised.starts_with('0') {
                assert_eq!(Region::in_words(&kept.normalised), place, "as records have it: {raw}");
            }
        }
    }

    #[test]
    fn the_table_covers_each_prefix_once_and_names_known_places_alone() {
        assert_eq!(MOBILE.ends.last(), Some(&700_000));
        assert!(MOBILE.ends.is_sorted() && MOBILE.ends.len() == MOBILE.places.len());
        let known = |place: &u16| *place == NOWHERE || usize::from(*place) < PLACES.len();
        assert!(MOBILE.places.iter().all(known));
        let mut provinces = Vec::new();
        for place in PLACES.iter() {
            let Place::City { province, city, area } = place else { panic!("{place:?}") };
            assert!(area.starts_with('0') && !city.is_empty(), "{place:?}");
            provinces.push(*province);
        }
        provinces.sort_unstable();
        provinces.dedup();
        // R11: the 31 of the mainland.
        assert_eq!(provinces.len(), 31, "{provinces:?}");
    }
}
