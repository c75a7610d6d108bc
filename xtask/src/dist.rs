//! Owns the build for a server that carries many calls: the compiler, and then BOLT, are told by calls of their own which code
//! runs, and put that together and the rest elsewhere. Does not own what a call does.
//!
//! ```text
//!  counted build ──► calls ──► counts ──► second build ──► counted by BOLT ──► calls ──► jumps ──► target/dist/hotline
//! ```
//!
//! Calls are the demonstration, and some thousand without sound, relayed, recorded and waiting.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::run::{Cargo, root, target_dir};

/// Builds the binary twice, the second time by what the first one counted, and lays out what that made by what it counts; says
/// where it is.
pub fn build() -> Result<()> {
    let (profdata, bolt) = (profdata()?, Bolt::find()?);
    let folder = target_dir()?.join("dist");
    let counts = emptied(folder.join("counts"))?;
    let counted = compile(&folder, &format!("-Cprofile-generate={}", counts.display()))?;
    train(&counted, &counted, &emptied(folder.join("calls"))?)?;
    let profile = folder.join("hotline.profdata");
    merge(&profdata, &counts, &profile)?;
    // BOLT moves what it knows all places of: the linker leaves its notes of them.
    let used = format!("-Cprofile-use={} -Clink-arg=-Wl,--emit-relocs", profile.display());
    let built = compile(&folder, &used)?;
    let jumps = emptied(folder.join("jumps"))?;
    let counted = folder.join("counted");
    bolt.count(&built, &counted, &jumps)?;
    train(&counted, &built, &emptied(folder.join("calls"))?)?;
    let finished = folder.join("hotline");
    bolt.lay_out(&built, &jumps, &finished)?;
    println!("{}", finished.display());
    Ok(())
}

fn emptied(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// LLVM's tools that lay out a program that is built, by the jumps that it made: parts that run lie together in the order in
/// which they run, and what did not run lies elsewhere.
struct Bolt {
    tools: PathBuf,
}

impl Bolt {
    /// The newest that is installed; Debian's, where there is none.
    fn find() -> Result<Bolt> {
        if let Some(bolt) = Bolt::newest_in(Path::new("/usr/lib")) {
            return Ok(bolt);
        }
        packages::install(BOLT)?;
        Bolt::newest_in(Path::new("/usr/lib")).context("缺少 / missing: llvm-bolt")
    }

    /// `folder` has a folder of each version: `llvm-19/bin/llvm-bolt`, and beside it what is linked into a counted program.
    fn newest_in(folder: &Path) -> Option<Bolt> {
        let versions = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.strip_prefix("llvm-")?.parse().ok()?;
            let (tools, library) = (entry.path().join("bin"), entry.path().join("lib/libbolt_rt_instr.a"));
            let is_whole = library.is_file() && TOOLS.iter().all(|tool| tools.join(tool).is_file());
            (is_whole && version >= OLDEST_BOLT).then_some((version, tools))
        });
        let (_, tools) = versions.max()?;
        Some(Bolt { tools })
    }

    /// Makes `counted` of `built`: where it ends it writes into `jumps` which it made.
    fn count(&self, built: &Path, counted: &Path, jumps: &Path) -> Result<()> {
        let mut into = OsString::from("--instrumentation-file=");
        into.push(jumps.join("of"));
        let counts = ["--instrument", "--instrumentation-file-append-pid"].map(OsString::from);
        self.rewrite(built, counted, counts.into_iter().chain([into]))
    }

    fn lay_out(&self, built: &Path, jumps: &Path, finished: &Path) -> Result<()> {
        let all = jumps.join("all");
        let each: Vec<PathBuf> = fs::read_dir(jumps)?.flatten().map(|entry| entry.path()).collect();
        let mut merge = Command::new(self.tools.join("merge-fdata"));
        fs::write(&all, output(merge.args(each), &format!("merge-fdata {}", jumps.display()))?)?;
        let mut by = OsString::from("--data=");
        by.push(&all);
        self.rewrite(built, finished, LAYOUT.iter().map(OsString::from).chain([by]))
    }

    fn rewrite(&self, from: &Path, to: &Path, options: impl Iterator<Item = OsString>) -> Result<()> {
        eprintln!("▶ llvm-bolt {}", to.display());
        let mut bolt = Command::new(self.tools.join("llvm-bolt"));
        bolt.arg(from).arg("-o").arg(to).args(options);
        // It has much to say of code that it leaves as it is.
        output(&mut bolt, &format!("llvm-bolt {}", to.display())).map(drop)
    }
}

/// A release build with these flags of the compiler. For a target that is named, flags are not those of build scripts.
fn compile(folder: &Path, flags: &str) -> Result<PathBuf> {
    let target = host()?;
    let into = folder.join("build");
    let into_text = into.to_string_lossy().into_owned();
    let mut cargo = Cargo::new(&[
        "build",
        "--release",
        "--package",
        "hotline",
        "--target",
        &target,
        "--target-dir",
        &into_text,
    ]);
    cargo.env("RUSTFLAGS", flags);
    cargo.run()?;
    Ok(into.join(target).join("release/hotline"))
}

/// The compiler's own name for this machine.
fn host() -> Result<String> {
    let said = said_by("rustc", &["-vV"])?;
    let line = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc -vV")?.to_owned())
}

/// LLVM's tool that reads counts; it comes with the compiler as a component of rustup.
fn profdata() -> Result<PathBuf> {
    let sysroot = said_by("rustc", &["--print", "sysroot"])?;
    let tool = Path::new(sysroot.trim()).join("lib/rustlib").join(host()?).join("bin/llvm-profdata");
    if !tool.is_file() {
        eprintln!("▶ rustup component add llvm-tools");
        let added = Command::new("rustup").args(["component", "add", "llvm-tools"]).status();
        if !added.is_ok_and(|status| status.success()) || !tool.is_file() {
            bail!("缺少 / missing: rustup component add llvm-tools ({})", tool.display());
        }
    }
    Ok(tool)
}

fn merge(profdata: &Path, counts: &Path, into: &Path) -> Result<()> {
    let status = Command::new(profdata).arg("merge").arg("-o").arg(into).arg(counts).status()?;
    if !status.success() {
        bail!("失败 / failed: llvm-profdata merge {}", counts.display());
    }
    Ok(())
}

/// Lets `hotline` do what it does all day: menus, queues and agents by its demo, then many calls with and without sound, which
/// `load` makes: what is counted of a load would say nothing of a switch.
fn train(hotline: &Path, load: &Path, folder: &Path) -> Result<()> {
    run(hotline, &["demo"], folder)?;
    let mut switch = Switch::start(hotline, folder)?;
    for (number, calls, rate, hold, sound) in [
        ("4000000004", "6000", "500", "1", false),
        ("4000000004", "300", "50", "8", true),
        ("4000000002", "300", "50", "8", true),
        ("4000000001", "100", "50", "8", true),
        ("4000000006", "100", "50", "8", true),
    ] {
        let (to, caller, callee) = (at(5060), at(5070), at(5090));
        let mut words =
            vec!["load", "--to", &to, "--caller", &caller, "--callee", &callee, "--number", number];
        words.extend(["--calls", calls, "--rate", rate, "--hold", hold]);
        words.extend(sound.then_some("--rtp"));
        run(load, &words, folder)?;
    }
    switch.stop()
}

fn run(hotline: &Path, words: &[&str], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    eprintln!("▶ hotline {}", words.join(" "));
    let is_load = words.first() == Some(&"load");
    let mut command = Command::new(hotline);
    command.args(words).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    if is_load {
        command.env("LLVM_PROFILE_FILE", folder.join("aside-%p"));
    }
    let status = command.status()?;
    // A load that met a busy machine and says so (1) has been carried all the same.
    let carried = status.success() || is_load && status.code() == Some(1);
    if !carried {
        bail!("失败 / failed: hotline {}", words.join(" "));
    }
    Ok(())
}

/// A switch with `configs/bench` on an address that nothing else uses.
struct Switch {
    process: Child,
    /// Kept open: it may say more.
    said: BufReader<ChildStdout>,
}

impl Switch {
    fn start(hotline: &Path, folder: &Path) -> Result<Switch> {
        let config = folder.join("bench");
        if config.exists() {
            fs::remove_dir_all(&config)?;
        }
        place(&root().join("configs/bench"), &config)?;
        let mut main = fs::OpenOptions::new().append(true).open(config.join("hotline.toml"))?;
        write!(main, "\n[api]\nlisten = \"{}\"\n", at(8400))?;
        let log = fs::File::create(folder.join("log"))?;
        let mut process = Command::new(hotline)
            .args(["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let said = BufReader::new(process.stdout.take().context("stdout")?);
        let mut switch = Switch { process, said };
        // It says where it listens when it does.
        let mut line = String::new();
        while !line.contains(&at(5060)) {
            line.clear();
            if switch.said.read_line(&mut line)? == 0 {
                bail!("交换机没有启动 / the switch does not start: {}", folder.join("log").display());
            }
        }
        Ok(switch)
    }

    /// Counts are written when it ends by itself.
    fn stop(&mut self) -> Result<()> {
        let pid = self.process.id().to_string();
        let told = Command::new("kill").arg(&pid).status()?;
        let ended = self.process.wait()?;
        if !told.success() || !ended.success() {
            bail!("交换机退出异常 / the switch ended with {ended}");
        }
        Ok(())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // After `stop` it is gone, and neither does anything.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Copies a folder of settings, its addresses made ours.
fn place(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            // What an earlier switch left there is not its settings.
            if entry.file_name() != "data" {
                place(&entry.path(), &target)?;
            }
        } else {
            fs::write(target, fs::read_to_string(entry.path())?.replace("127.0.0.1", HOST))?;
        }
    }
    Ok(())
}

fn at(port: u16) -> String {
    format!("{HOST}:{port}")
}

fn said_by(program: &str, words: &[&str]) -> Result<String> {
    let said = output(Command::new(program).args(words), &format!("{program} {}", words.join(" ")))?;
    Ok(String::from_utf8(said)?)
}

/// What a program prints; where it fails, what it complains of.
fn output(command: &mut Command, what: &str) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output().with_context(|| what.to_owned())?;
    if !output.status.success() {
        bail!("失败 / failed: {what}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

/// Debian's packages of BOLT and of what it links into a counted program.
const BOLT: &[&str] = &["bolt-19", "libbolt-19-dev"];
/// The first version that is known to lay out what is made here.
const OLDEST_BOLT: u32 = 19;
/// BOLT's programs that are needed.
const TOOLS: &[&str] = &["llvm-bolt", "merge-fdata"];
/// Blocks follow each other as they ran, functions lie beside those that they call, and what did not run lies elsewhere, parts of
/// functions and what handles panics too.
const LAYOUT: &[&str] = &[
    "--reorder-blocks=ext-tsp",
    "--reorder-functions=cdsort",
    "--split-functions",
    "--split-all-cold",
    "--split-eh",
    "--icf=1",
];

/// Of 127.0.0.0/8, where no other program looks.
const HOST: &str = "127.83.71.59";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_bolt_is_taken_that_is_whole_and_not_too_old() {
        const WHOLE: &[&str] = &["bin/llvm-bolt", "bin/merge-fdata", "lib/libbolt_rt_instr.a"];
        let folder = std::env::temp_dir().join(format!("hotline-bolt-{}", std::process::id()));
        let install = |version: &str, files: &[&str]| {
            for file in files.iter().map(|file| folder.join(version).join(file)) {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, "").unwrap();
            }
        };
        let found = || Bolt::newest_in(&folder).map(|bolt| bolt.tools);
        assert_eq!(found(), None);
        install("llvm-16", WHOLE);
        install("llvm-next", WHOLE);
        install("llvm-21", &WHOLE[..2]);
        assert_eq!(found(), None);
        install("llvm-19", WHOLE);
        install("llvm-20", WHOLE);
        assert_eq!(found(), Some(folder.join("llvm-20/bin")));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn settings_are_placed_on_our_address_and_what_a_switch_left_stays_behind() {
        let folder = std::env::temp_dir().join(format!("hotline-dist-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        fs::create_dir_all(from.join("data")).unwrap();
        fs::create_dir_all(from.join("flows")).unwrap();
        fs::write(from.join("data/recording"), [0xff, 0xfe]).unwrap();
        fs::write(from.join("flows/bound.toml"), "phones = [\"sip:uas@127.0.0.1:5090\"]").unwrap();
        place(&from, &to).unwrap();
        let placed = fs::read_to_string(to.join("flows/bound.toml")).unwrap();
        assert_eq!(placed, format!("phones = [\"sip:uas@{HOST}:5090\"]"));
        assert!(!to.join("data").exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_load_settings_of_the_project_can_be_placed() {
        let to = std::env::temp_dir().join(format!("hotline-dist-bench-{}", std::process::id()));
        place(&root().join("configs/bench"), &to).unwrap();
        let main = fs::read_to_string(to.join("hotline.toml")).unwrap();
        assert!(main.contains(&at(5060)) && !main.contains("127.0.0.1"), "{main}");
        fs::remove_dir_all(&to).unwrap();
    }
}
