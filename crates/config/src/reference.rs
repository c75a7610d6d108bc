//! Owns the reference of all keys as Markdown, made from the tables.

use std::fmt::Write as _;

use crate::fields::{Choice, Field, Kind, Object, Presence};
use crate::tables::{FILES, SAY};

/// A language of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// 中文
    Zh,
    /// English
    En,
}

/// Every file, table and key: what it takes, its default, what it means.
pub fn reference(lang: Lang) -> String {
    let mut text = String::from(match lang {
        Lang::Zh => "# 配置参考\n\n由程序生成。«必填» 之外的项都可省略。\n",
        Lang::En => {
            "# Configuration reference\n\nMade by the program. Keys without \"required\" may be left out.\n"
        }
    });
    for file in &FILES {
        section(&mut text, lang, file.pattern, file.one);
        if let Some(many) = file.many {
            let key = many.fields[0].key;
            text += &match lang {
                Lang::Zh => format!("\n一个文件也可以写多个: 每个放在一个 `[[{key}]]` 下。\n"),
                Lang::En => format!("\nOne file may hold several, each below its own `[[{key}]]`.\n"),
            };
        }
    }
    let said = match lang {
        Lang::Zh => "播放内容: 语音名称, 或只有一项的表",
        Lang::En => "What is said: a prompt's name, or a table of one key",
    };
    section(&mut text, lang, said, &SAY);
    text
}

fn section(text: &mut String, lang: Lang, title: &str, object: &Object) {
    let name = lang.of(object.zh, object.en);
    let (key, takes, usual, meaning) = match lang {
        Lang::Zh => ("项", "取值", "默认", "说明"),
        Lang::En => ("key", "takes", "default", "meaning"),
    };
    *text +=
        &format!("\n## {title}\n\n{name}\n\n| {key} | {takes} | {usual} | {meaning} |\n|---|---|---|---|\n");
    for field in object.fields {
        row(text, lang, field);
    }
    for field in object.fields {
        match &field.kind {
            Kind::Table(inner) | Kind::Tables(inner) => {
                section(text, lang, &format!("{title} · {}", field.key), inner)
            }
            Kind::Numbers(Kind::Table(inner)) => {
                section(text, lang, &format!("{title} · {}", field.key), inner)
            }
            Kind::Named(names, objects) => {
                for inner in *objects {
                    section(
                        text,
                        lang,
                        &format!("{title} · {} kind = \"{}\"", names.en(), inner.name),
                        inner,
                    );
                }
            }
            _ => {}
        }
    }
}

fn row(text: &mut String, lang: Lang, field: &Field) {
    let usual = match field.presence {
        Presence::Required => lang.of("必填", "required").to_owned(),
        Presence::Optional => String::new(),
        Presence::Default("{}" | "[]") => String::new(),
        Presence::Default(value) => format!("`{}`", value.replace('\'', "\"")),
    };
    let takes = match lang {
        Lang::Zh => field.kind.zh(),
        Lang::En => field.kind.en(),
    };
    let meaning = lang.of(field.zh, field.en);
    let words = choices(&field.kind).iter().fold(String::new(), |mut words, choice| {
        let _infallible = write!(words, "<br>`{}` {}", choice.word, lang.of(choice.zh, choice.en));
        words
    });
    *text += &format!("| `{}` | {} | {usual} | {meaning}{words} |\n", field.key, takes.replace('|', "\\|"));
}

fn choices(kind: &Kind) -> &'static [Choice] {
    match kind {
        Kind::Choice(words) => words,
        Kind::List(Kind::Choice(words)) => words,
        _ => &[],
    }
}

impl Lang {
    fn of(self, zh: &'static str, en: &'static str) -> &'static str {
        match self {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }
}
