//! Owns the commands about prompts: what there is, taking a file in, what is missing, listening. Does not own how a file
//! becomes a prompt (see `media::import`), nor how words are put together (see `media::speech`).

mod items;

use std::collections::BTreeSet;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use config::{Loaded, Sources};
use media::command::{Language, Voice};
use media::import::{self, Purpose};
use media_net::{PromptCache, PromptError};
use model::TenantId;
use model::say::{SayItem, prompt_of_file};
use serde_json::json;

use super::output::{self, Answer, Table};
use super::{Global, Lang, Prompts, check, run as running};
use crate::node::settings::{self, Origin};

/// Carries out what is asked about prompts.
pub(crate) fn run(global: &Global, asked: &Prompts) -> anyhow::Result<Answer> {
    let house = House::of(global)?;
    match asked {
        Prompts::List { lang } => house.list(global, *lang),
        Prompts::Import { file, name, lang, music, replace } => {
            let place = Place { name: name.as_deref(), lang: *lang, music: *music, replace: *replace };
            house.import(global, file, &place)
        }
        Prompts::Check { lang } => house.check(global, *lang),
        Prompts::Play { items, lang, out } => house.play(items, *lang, out.as_deref()),
    }
}

/// A configuration and its prompts, without a switch.
struct House {
    origin: Origin,
    loaded: Loaded,
    tenant: TenantId,
    cache: PromptCache,
    errors: Vec<PromptError>,
}

/// Where an imported prompt goes.
struct Place<'a> {
    name: Option<&'a str>,
    lang: Option<Lang>,
    music: bool,
    replace: bool,
}

impl House {
    /// The one that `global` names. Names of prompts are not checked: what is missing is the question here.
    fn of(global: &Global) -> anyhow::Result<House> {
        let origin = running::origin(global.config.as_deref());
        let sources = match &origin {
            Origin::Folder(folder) => Sources::read_dir(folder)?,
            Origin::Embedded => Sources::from_files(config::starter()),
        };
        let Ok(loaded) = config::load(&sources).map_err(|found| check::report(&found)) else {
            bail!("配置有误 / the configuration has errors")
        };
        let tenant = TenantId::new(&global.tenant);
        if loaded.acd.iter().all(|known| known.tenant != tenant) {
            bail!("没有租户 «{tenant}» / there is no tenant «{tenant}»");
        }
        let (cache, faults) = settings::prompts_and_faults(&origin, &loaded, None);
        let errors =
            faults.into_iter().filter(|(whose, _)| *whose == tenant).map(|(_, error)| error).collect();
        Ok(House { origin, loaded, tenant, cache, errors })
    }

    fn language(&self, lang: Option<Lang>) -> Language {
        lang.map_or_else(|| settings::language(&self.loaded), Language::from)
    }

    fn list(&self, global: &Global, lang: Option<Lang>) -> anyhow::Result<Answer> {
        let wanted = lang.map(folder_of);
        let prompts = self.cache.list(&self.tenant);
        let is_wanted = |folder: &str| wanted.is_none_or(|wanted| folder == wanted || folder.is_empty());
        let prompts: Vec<_> = prompts.into_iter().filter(|prompt| is_wanted(prompt.folder)).collect();
        if global.json {
            let all = prompts.iter().map(|prompt| {
                let facts = prompt.facts.as_ref();
                json!({
                    "name": prompt.name, "language": prompt.folder, "milliseconds": prompt.clip.millis(),
                    "file": prompt.file, "format": facts.map(|facts| facts.format),
                    "loudness_db": facts.map(|facts| facts.loudness_db), "gain_db": facts.map(|facts| facts.gain_db),
                })
            });
            output::json(&all.collect::<Vec<_>>())?;
        } else {
            let mut table = Table::new(["名称 / name", "语言 / language", "时长 / length", "来源 / from"]);
            for prompt in &prompts {
                let seconds = f64::from(prompt.clip.millis()) / 1_000.0;
                let from = match (&prompt.file, &prompt.facts) {
                    (Some(file), Some(facts)) => {
                        format!("{} ({}, {:+.1} dB)", file.display(), facts.format, facts.gain_db)
                    }
                    _ => "内置 / built in".to_owned(),
                };
                let folder = if prompt.folder.is_empty() { "*" } else { prompt.folder };
                table.row([prompt.name.to_string(), folder.to_owned(), format!("{seconds:.1} s"), from]);
            }
            table.print()?;
        }
        self.answer_of_files()
    }

    /// Files that nobody can hear make any answer a no.
    fn answer_of_files(&self) -> anyhow::Result<Answer> {
        for error in &self.errors {
            eprintln!("{error}");
        }
        Ok(if self.errors.is_empty() { Answer::Yes } else { Answer::No })
    }

    fn import(&self, global: &Global, file: &Path, place: &Place<'_>) -> anyhow::Result<Answer> {
        let Origin::Folder(root) = &self.origin else {
            bail!("没有配置目录,请用 --config 指明 / no configuration folder: name one with --config")
        };
        let name = match place.name {
            Some(name) => name,
            None => file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default(),
        };
        if !is_name(name) {
            bail!("«{name}» 不能作语音名称:不能有空格、斜线或开头的点 / «{name}» is no prompt's name");
        }
        let (folder, purpose) = match place.music {
            true => ("moh", Purpose::Music),
            false => (folder_of_language(self.language(place.lang)), Purpose::Speech),
        };
        let folder = settings::tenant_folder(root, &self.tenant).join("prompts").join(folder);
        let others = files_of(&folder, name)?;
        if let (Some(other), false) = (others.first(), place.replace) {
            bail!("{} 已存在,用 --replace 覆盖 / it exists, use --replace", other.display());
        }
        let rules = settings::prompt_rules(&self.loaded);
        let bytes = read_within(file, rules.limits.bytes)?;
        let sound = match import::import(&bytes, &rules.limits, purpose, rules.loudness) {
            Ok(sound) => sound,
            Err(refused) => {
                eprintln!("{}: {refused}", file.display());
                return Ok(Answer::No);
            }
        };
        let target = folder.join(format!("{name}.wav"));
        keep(&target, &sound.to_wav(), &others)?;
        let (facts, seconds) = (&sound.facts, sound.length().as_secs_f64());
        if global.json {
            output::json(&json!({
                "file": target, "seconds": seconds, "format": facts.format, "rate": facts.rate,
                "channels": facts.channels, "loudness_db": facts.loudness_db, "gain_db": facts.gain_db,
            }))?;
        } else {
            output::lines([
                format!(
                    "{}: {seconds:.1} s, {} {} Hz, 音量 / loudness {:.1} dB {:+.1} dB",
                    target.display(),
                    facts.format,
                    facts.rate,
                    facts.loudness_db,
                    facts.gain_db
                ),
                "运行中的交换机从下一次播放起使用 / a running switch uses it from the next playing on"
                    .to_owned(),
            ])?;
        }
        Ok(Answer::Yes)
    }

    fn check(&self, global: &Global, lang: Option<Lang>) -> anyhow::Result<Answer> {
        let languages = match lang {
            Some(lang) => vec![Language::from(lang)],
            None => vec![Language::Zh, Language::En],
        };
        let asked = self.language(lang);
        let mut missing = Vec::new();
        for (user, name) in self.named() {
            for language in
                languages.iter().filter(|language| !self.cache.has(&self.tenant, **language, &name))
            {
                missing.push((*language, name.clone(), user.clone()));
            }
        }
        let used = missing.iter().any(|(language, ..)| *language == asked);
        if global.json {
            let all = missing.iter().map(|(language, name, user)| {
                json!({ "name": name, "language": folder_of_language(*language), "used_by": user })
            });
            let files: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
            output::json(&json!({ "missing": all.collect::<Vec<_>>(), "files": files }))?;
            return Ok(if used || !files.is_empty() { Answer::No } else { Answer::Yes });
        }
        output::lines(missing.iter().map(|(language, name, user)| {
            let folder = folder_of_language(*language);
            format!("缺少 {folder}/{name}({user} 用到)/ {folder}/{name} is missing, used by {user}")
        }))?;
        if missing.is_empty() && self.errors.is_empty() {
            output::lines([
                "流程和队列用到的语音齐全 / every prompt that flows and queues name is there".to_owned()
            ])?;
        }
        let answer = self.answer_of_files()?;
        Ok(if used { Answer::No } else { answer })
    }

    /// Every prompt that the tenant's flows, queues, agents and mailboxes name, with who names it.
    fn named(&self) -> BTreeSet<(String, String)> {
        let mut named = BTreeSet::new();
        for (flow, nodes) in self.loaded.flows.iter().filter(|(flow, _)| flow.tenant == self.tenant) {
            for item in nodes.nodes.values().flat_map(|node| node.says()) {
                if let SayItem::Prompt(prompt) = item {
                    named.insert((format!("flows/{}.toml", flow.name), prompt.name.to_string()));
                }
            }
        }
        for (queue, profile) in
            self.loaded.plan.queues.iter().filter(|(queue, _)| queue.tenant == self.tenant)
        {
            named.insert((format!("queues/{}.toml", queue.name), profile.music.name.to_string()));
        }
        let plan = &self.loaded.plan;
        let agents = plan.greetings.iter().filter(|(agent, _)| agent.tenant == self.tenant);
        let agents = agents.map(|(agent, says)| (format!("agents: {}", agent.name), says));
        let mailboxes = plan.mailboxes.iter().filter(|(name, _)| name.tenant == self.tenant);
        let mailboxes =
            mailboxes.map(|(name, mailbox)| (format!("mailboxes: {}", name.name), &mailbox.greeting));
        for (who, item) in
            agents.chain(mailboxes).flat_map(|(who, says)| says.iter().map(move |item| (who.clone(), item)))
        {
            if let SayItem::Prompt(prompt) = item {
                named.insert((who, prompt.name.to_string()));
            }
        }
        named
    }

    fn play(&self, items: &[String], lang: Option<Lang>, out: Option<&Path>) -> anyhow::Result<Answer> {
        let items: Vec<SayItem> =
            items.iter().map(|item| items::parse(item, &self.tenant)).collect::<Result<_, _>>()?;
        let voice = Voice { tenant: self.tenant.clone(), language: self.language(lang) };
        let clips = match self.cache.expand(&items, &voice) {
            Ok(clips) => clips,
            Err(missing) => {
                eprintln!("{missing}");
                return Ok(Answer::No);
            }
        };
        let samples: Vec<i16> = clips.iter().flat_map(|clip| clip.samples()).collect();
        let wav = media::wav::mono(8_000, &samples);
        match out {
            Some(file) => {
                fs::write(file, wav)
                    .with_context(|| format!("写不了 {0} / cannot write {0}", file.display()))?;
            }
            None if std::io::stdout().is_terminal() => hear(&wav)?,
            None => std::io::stdout().write_all(&wav)?,
        }
        Ok(Answer::Yes)
    }
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Language {
        match lang {
            Lang::Zh => Language::Zh,
            Lang::En => Language::En,
        }
    }
}

fn folder_of(lang: Lang) -> &'static str {
    folder_of_language(lang.into())
}

fn folder_of_language(language: Language) -> &'static str {
    match language {
        Language::Zh => "zh-CN",
        Language::En => "en",
    }
}

/// As the configuration has it: no blanks, no `/`, no hidden file.
fn is_name(name: &str) -> bool {
    let is_fine = |c: char| !c.is_whitespace() && !c.is_control() && c != '/' && c != '\\';
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_fine)
}

/// The files of a folder that are prompt `name`, in any format.
fn files_of(folder: &Path, name: &str) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("读不到 {0} / cannot read {0}", folder.display()));
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        if prompt_of_file(file) == Some(name) {
            files.push(path);
        }
    }
    Ok(files)
}

/// The file's bytes, one more than `most` at most: a file that is too big is seen as such without reading it whole.
fn read_within(file: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = fs::File::open(file);
    opened
        .and_then(|opened| std::io::Read::read_to_end(&mut std::io::Read::take(opened, most + 1), &mut bytes))
        .with_context(|| format!("读不到 {0} / cannot read {0}", file.display()))?;
    Ok(bytes)
}

/// Writes a prompt at once or not at all, in place of `others`: a switch that looks meanwhile finds the old one or the
/// new one.
fn keep(target: &Path, wav: &[u8], others: &[PathBuf]) -> anyhow::Result<()> {
    let failed = || format!("写不了 {0} / cannot write {0}", target.display());
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let beside = target.with_file_name(format!(".{name}.part"));
    fs::write(&beside, wav).with_context(failed)?;
    fs::rename(&beside, target).with_context(failed)?;
    for other in others.iter().filter(|other| *other != target) {
        fs::remove_file(other).with_context(|| format!("删不了 {0} / cannot delete {0}", other.display()))?;
    }
    Ok(())
}

/// Plays by the first program that there is.
fn hear(wav: &[u8]) -> anyhow::Result<()> {
    const PLAYERS: [(&str, &[&str]); 4] = [
        ("aplay", &["-q", "-"]),
        ("paplay", &["/dev/stdin"]),
        ("play", &["-q", "-t", "wav", "-"]),
        ("ffplay", &["-loglevel", "error", "-nodisp", "-autoexit", "-"]),
    ];
    for (program, options) in PLAYERS {
        let Ok(mut child) = Command::new(program).args(options).stdin(Stdio::piped()).spawn() else {
            continue;
        };
        if let Some(mut input) = child.stdin.take() {
            input.write_all(wav)?;
        }
        if child.wait()?.success() {
            return Ok(());
        }
    }
    bail!(
        "没有播放程序(aplay、paplay、play、ffplay),请用 --out 写入文件 / nothing plays sound here: use --out FILE"
    )
}

#[cfg(test)]
mod tests;
