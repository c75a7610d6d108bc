//! Owns `[recordings]`: how long recordings are kept, and how much room they leave on their disk.

use std::time::Duration;

use super::{default, optional};
use crate::fields::{Kind, Object};
use crate::loaded::RecordingSettings;
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static RECORDINGS: Object = Object {
    name: "recordings",
    zh: "[recordings]",
    en: "[recordings]",
    fields: &[
        optional(
            "keep_days",
            Kind::Integer(1, 36_500),
            "录音保留天数, 省略则永久保留",
            "days that recordings are kept; for ever when left out",
        ),
        optional(
            "min_keep_days",
            Kind::Integer(1, 36_500),
            "磁盘满时提前删除的下限天数, 省略则不提前",
            "a full disk takes recordings early, none younger than this; none at all when left out",
        ),
        default(
            "warn_free_mib",
            Kind::Integer(0, 1_000_000_000),
            "2048",
            "剩余空间低于此数 (MiB) 时告警, 0 不告警",
            "free space in MiB below which an operator is warned; 0: never",
        ),
        default(
            "limit_free_mib",
            Kind::Integer(0, 1_000_000_000),
            "256",
            "剩余空间低于此数 (MiB) 时不再开始录音, 见号码的 when_disk_full; 0 不限",
            "free space in MiB below which no recording begins (a number's when_disk_full); 0: never",
        ),
        optional(
            "second",
            Kind::Text,
            "录音日志同时复制到此目录 (另一块磁盘, 须已存在), 相对于配置目录",
            "the recording journal is copied here while it grows: another disk's folder, which must be there",
        ),
        default(
            "second_keep_hours",
            Kind::Integer(0, 8_760),
            "24",
            "原文件删除后副本再保留的小时数",
            "hours that copies stay whose original has gone",
        ),
    ],
};

/// How long recordings are kept, and how much room they leave.
pub(crate) fn recordings(hotline: &Record, reading: &mut Reading<'_>) -> RecordingSettings {
    let Some(record) = hotline.record_if("recordings") else { return RecordingSettings::default() };
    let settings = RecordingSettings {
        keep_days: record.integer_if("keep_days"),
        min_keep_days: record.integer_if("min_keep_days"),
        warn_free: record.integer::<u64>("warn_free_mib") << 20,
        limit_free: record.integer::<u64>("limit_free_mib") << 20,
        second: record.text_if("second"),
        second_keep: Duration::from_secs(record.integer::<u64>("second_keep_hours") * 3_600),
    };
    if let Some(least) = settings.min_keep_days
        && settings.keep_days.is_none_or(|keep| keep < least)
    {
        reading.error(
            record.spot_of("min_keep_days"),
            "bad-value",
            "min_keep_days 不能大于 keep_days, 也不能单独使用".into(),
            "min_keep_days is at most keep_days, and nothing without it".into(),
        );
    }
    settings
}
