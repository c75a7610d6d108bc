//! Owns `[prompts]`: what an uploaded prompt may cost, and how prompts sound.

use super::{default, word};
use crate::fields::{Kind, Object};
use crate::loaded::{DigitOne, PromptSettings};
use crate::record::Record;

pub(crate) static PROMPTS: Object = Object {
    name: "prompts",
    zh: "[prompts]",
    en: "[prompts]",
    fields: &[
        default(
            "max_seconds",
            Kind::Seconds(1, 7_200),
            "600",
            "语音文件最长时间, 超过则拒绝",
            "the longest prompt; a longer file is refused",
        ),
        default(
            "max_megabytes",
            Kind::Integer(1, 1_024),
            "64",
            "语音文件最大 MB, 超过则拒绝",
            "the largest file in MB; a larger one is refused",
        ),
        default(
            "even_loudness",
            Kind::Bool,
            "true",
            "自动统一音量 (-20 dBFS, 峰值 -3 dBFS)",
            "make prompts equally loud (-20 dBFS, peaks at -3 dBFS)",
        ),
        default(
            "digit_one",
            Kind::Choice(&[word("yao", "幺", "yāo"), word("yi", "一", "yī")]),
            "'yao'",
            "逐位读数字时 1 的读法",
            "how 1 is read digit by digit in Chinese",
        ),
    ],
};

/// What prompts may cost, and how they sound.
pub(crate) fn prompts(hotline: &Record) -> PromptSettings {
    let Some(record) = hotline.record_if("prompts") else { return PromptSettings::default() };
    PromptSettings {
        longest: record.seconds("max_seconds"),
        bytes: record.integer::<u64>("max_megabytes") << 20,
        even_loudness: record.bool("even_loudness"),
        digit_one: record.choice("digit_one", &[DigitOne::Yao, DigitOne::Yi]),
    }
}
