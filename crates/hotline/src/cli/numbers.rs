//! Owns `numbers`: each hotline number with its flow and night switch, and turning that. Does not own what a night switch
//! does (see `call`).

use api::view::NumberView;
use model::night::Turn;

use super::live::{refused, short};
use super::output::{self, Table};
use super::switch_client::speak;
use super::{Answer, Global, NightWish, Numbers};

/// Shows the numbers of a tenant, or turns a night switch.
pub(crate) fn run(global: &Global, asked: Numbers) -> anyhow::Result<Answer> {
    let Numbers::Night { number, wish } = asked else { return list(global, None) };
    let turn = match wish {
        NightWish::On => Turn::On,
        NightWish::Off => Turn::Off,
        NightWish::Show => return list(global, Some(&number)),
    };
    let asked = number.clone();
    match speak(global, |client| async move { client.turn_night(&asked, turn).await }) {
        Ok(()) => list(global, Some(&number)),
        Err(error) => refused(error),
    }
}

fn list(global: &Global, only: Option<&str>) -> anyhow::Result<Answer> {
    let mut numbers = speak(global, |client| async move { client.numbers().await })?;
    if let Some(only) = only {
        numbers.retain(|one| one.number == only);
        if numbers.is_empty() {
            eprintln!("没有号码 {only} / no such number");
            return Ok(Answer::No);
        }
    }
    if global.json {
        output::json(&numbers)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(["号码", "落地号", "流程", "夜间流程", "夜间模式", "并发限制"]);
    numbers.into_iter().map(row).for_each(|row| table.row(row));
    table.print()?;
    Ok(Answer::Yes)
}

fn row(one: NumberView) -> [String; 6] {
    let night = match (&one.night_flow, one.night) {
        (None, _) => "–".to_owned(),
        (Some(_), None) => "关 / off".to_owned(),
        (Some(_), Some(on)) => {
            format!("开, {} 于 {} / on, by {}", on.by, short(&on.since), on.by)
        }
    };
    let limit = one.max_calls.map_or_else(|| "–".to_owned(), |most| most.to_string());
    [one.number, one.aliases.join(" "), one.flow, one.night_flow.unwrap_or_default(), night, limit]
}

#[cfg(test)]
mod tests {
    use api::view::NightView;

    use super::*;

    #[test]
    fn a_number_shows_who_put_it_to_the_night() {
        let on = NightView { by: "8001".into(), since: "2026-11-22T21:38:01.250+08:00".into() };
        let number = |night_flow: Option<&str>, night| NumberView {
            number: "4008001234".into(),
            tenant: "default".into(),
            aliases: vec!["01065551234".into()],
            flow: "main".into(),
            night_flow: night_flow.map(str::to_owned),
            night,
            max_calls: Some(60),
        };
        let shown = |one| row(one).join("|");
        assert_eq!(
            shown(number(Some("night"), Some(on))),
            "4008001234|01065551234|main|night|开, 8001 于 2026-11-22 21:38:01 / on, by 8001|60"
        );
        assert_eq!(shown(number(Some("night"), None)), "4008001234|01065551234|main|night|关 / off|60");
        assert_eq!(shown(number(None, None)), "4008001234|01065551234|main||–|60");
    }
}
