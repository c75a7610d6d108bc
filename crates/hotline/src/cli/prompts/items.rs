//! Owns how a figure is written on the command line: `number:12`, `money:102.05`; anything else is a prompt's name.

use anyhow::{Context, bail};
use model::say::{CalendarDate, Decimal, SayItem, TimeOfDay, Tone, Weekday};
use model::{PromptName, TenantId};
use std::time::Duration;

/// What `text` says.
pub(super) fn parse(text: &str, tenant: &TenantId) -> anyhow::Result<SayItem> {
    let Some((kind, value)) = text.split_once(':') else {
        return Ok(SayItem::Prompt(PromptName::new(tenant, text)));
    };
    let whole = || value.parse::<u32>().with_context(|| format!("«{value}» 不是整数 / is no whole number"));
    Ok(match kind {
        "digits" => SayItem::Digits(value.to_owned()),
        "agent" => SayItem::AgentNumber(value.to_owned()),
        "number" => SayItem::Number(
            value.parse().with_context(|| format!("«{value}» 不是整数 / is no whole number"))?,
        ),
        "ordinal" => SayItem::Ordinal(whole()?),
        "decimal" => SayItem::Decimal(value.parse()?),
        "percent" => SayItem::Percent(value.parse()?),
        "money" => {
            let amount: Decimal = value.parse()?;
            let fen = amount.hundredths();
            SayItem::Money(
                fen.with_context(|| format!("«{value}» 超过两位小数 / has more than two decimals"))?,
            )
        }
        "date" => SayItem::Date(value.parse::<CalendarDate>()?),
        "weekday" => SayItem::Weekday(Weekday::try_from(u8::try_from(whole()?).unwrap_or(0))?),
        "time" => SayItem::Time(value.parse::<TimeOfDay>()?),
        "duration" => SayItem::Duration(Duration::from_secs(whole()?.into())),
        "wait" => SayItem::ExpectedWait(Duration::from_secs(whole()?.into())),
        "position" => SayItem::QueuePosition(whole()?),
        "pause" => SayItem::Pause(whole()?),
        "tone" => SayItem::Tone(tone(value)?),
        _ => bail!(
            "«{kind}» 不是可读的内容,可用 digits agent number ordinal decimal percent money date weekday time \
             duration wait position pause tone / «{kind}» cannot be said"
        ),
    })
}

fn tone(name: &str) -> anyhow::Result<Tone> {
    const NAMES: [&str; Tone::ALL.len()] =
        ["ringback", "busy", "congestion", "beep", "call-waiting", "special-info"];
    let place = NAMES.iter().position(|known| *known == name);
    place
        .map(|place| Tone::ALL[place])
        .with_context(|| format!("没有信号音 «{name}»,可用 / no such tone, but {}", NAMES.join(" ")))
}
