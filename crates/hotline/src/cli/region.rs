//! Owns `region`: where numbers belong (归属地, R11), and how that is known. Does not own the table (see `routing::Region`).

use model::numbers::{Caller, CallerKind};
use routing::{KnownBy, Place, Region};
use serde_json::{Value, json};

use super::output::{self, Table};
use super::{Answer, Global};

/// Shows where each of `numbers` belongs; no is the answer where nobody knows of one.
pub(crate) fn run(global: &Global, numbers: &[String], home_area: Option<&str>) -> anyhow::Result<Answer> {
    let found: Vec<(&String, Caller)> =
        numbers.iter().map(|number| (number, Caller::parse(number, home_area))).collect();
    if global.json {
        let told: Vec<Value> = found.iter().map(|(number, caller)| as_json(number, caller)).collect();
        output::json(&told)?;
    } else {
        let mut table = Table::new(["号码", "记录为", "种类", "地区", "区号", "依据"]);
        found.iter().for_each(|(number, caller)| table.row(row(number, caller)));
        table.print()?;
    }
    let unknown = found.iter().any(|(_, caller)| Region::of(caller).place == Place::Unknown);
    Ok(if unknown { Answer::No } else { Answer::Yes })
}

fn row(number: &str, caller: &Caller) -> [String; 6] {
    let Region { place, known_by } = Region::of(caller);
    let area = match place {
        Place::City { area, .. } => area,
        _ => "",
    };
    let basis = match known_by {
        KnownBy::Code if caller.kind == CallerKind::International => "国家或地区代码 / its country code",
        KnownBy::Code => "长途区号 / its area code",
        KnownBy::Prefix => "手机号前七位 / its first seven digits",
        KnownBy::Neighbours => "相邻号段, 号段表里没有这一段 / prefixes beside it: it is not in the table",
        KnownBy::Nothing if caller.kind == CallerKind::Mobile => {
            "号段表里没有这一段 / its prefix is not in the table"
        }
        KnownBy::Nothing => "号码中没有地区 / it says nothing of a region",
    };
    let kind = kind_zh(caller.kind);
    [
        number.to_owned(),
        caller.normalised.to_string(),
        kind.to_owned(),
        place.zh(),
        area.to_owned(),
        basis.to_owned(),
    ]
}

fn as_json(number: &str, caller: &Caller) -> Value {
    let Region { place, known_by } = Region::of(caller);
    let (province, city, area) = match place {
        Place::City { province, city, area } => (Some(province), Some(city), Some(area)),
        _ => (None, None, None),
    };
    let known_by = match known_by {
        KnownBy::Code => "code",
        KnownBy::Prefix => "prefix",
        KnownBy::Neighbours => "neighbours",
        KnownBy::Nothing => "nothing",
    };
    json!({
        "number": number, "normalised": caller.normalised, "kind": caller.kind, "region": place.zh(),
        "province": province, "city": city, "area_code": area, "known_by": known_by,
    })
}

const fn kind_zh(kind: CallerKind) -> &'static str {
    match kind {
        CallerKind::Mobile => "手机",
        CallerKind::Fixed => "固话",
        CallerKind::Service => "400/800",
        CallerKind::Short => "短号码",
        CallerKind::International => "境外",
        CallerKind::Anonymous => "匿名",
        CallerKind::Extension => "分机",
        CallerKind::Alias => "名字",
        CallerKind::Unknown => "未知",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(number: &str) -> String {
        row(number, &Caller::parse(number, Some("010"))).join("|")
    }

    #[test]
    fn a_number_shows_its_region_and_how_that_is_known() {
        let table = [
            ("+8613800138000", "13800138000|手机|北京|010|手机号前七位 / its first seven digits"),
            ("0755-26001234", "075526001234|固话|广东深圳|0755|长途区号 / its area code"),
            ("65551234", "01065551234|固话|北京|010|长途区号 / its area code"),
            ("+85223456789", "0085223456789|境外|香港||国家或地区代码 / its country code"),
            ("4008001234", "4008001234|400/800|未知||号码中没有地区 / it says nothing of a region"),
        ];
        for (number, row) in table {
            assert_eq!(shown(number), format!("{number}|{row}"));
        }
        let told = as_json("13800138000", &Caller::parse("13800138000", None));
        assert_eq!((&told["province"], &told["known_by"]), (&"北京".into(), &"prefix".into()), "{told}");
    }
}
