//! The project's own commands: `cargo xtask test | soak | lint | deps | ci | dist`.

mod deps;
mod dist;
mod packages;
mod run;

use anyhow::{Result, bail};

use run::Cargo;

fn main() -> Result<()> {
    let command = std::env::args().nth(1).unwrap_or_default();
    match command.as_str() {
        "test" => test(&[]),
        "soak" => test(&[("HOTLINE_SOAK", "1")]),
        "lint" => lint(),
        "deps" => deps::check(),
        "dist" => dist::build(),
        "ci" => test(&[]).and_then(|()| lint()).and_then(|()| deps::check()),
        other => bail!(
            "«{other}»?\n\
             cargo xtask test   安装测试所需的系统软件包并运行全部测试 / install what tests need, run all tests\n\
             cargo xtask soak   长时间测试 / the long runs\n\
             cargo xtask lint   格式、clippy、文档 / formatting, clippy, docs\n\
             cargo xtask deps   依赖与许可证 / dependencies and licences\n\
             cargo xtask ci     以上全部（soak 除外）/ all of these but soak\n\
             cargo xtask dist   按实际呼叫优化的发布版 / a release that is built by what calls run"
        ),
    }
}

/// Everything that can fail: unit tests, whole calls, real peers over loopback.
fn test(extra: &[(&str, &str)]) -> Result<()> {
    packages::ensure()?;
    // Interop tests run the binary as its users do. One graph for all: a build of the binary alone would choose other
    // features of the dependencies and compile them twice.
    Cargo::new(&["test", "--workspace", "--no-run"]).run()?;
    let binary = run::target_dir()?.join("debug").join("hotline");
    let mut tests = Cargo::new(&["test", "--workspace", "--no-fail-fast"]);
    tests.env("HOTLINE_BIN", &binary.to_string_lossy());
    for (name, value) in extra {
        tests.env(name, value);
    }
    tests.run()
}

fn lint() -> Result<()> {
    Cargo::new(&["fmt", "--all", "--check"]).run()?;
    Cargo::new(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run()?;
    let mut docs = Cargo::new(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
    // Private items are documented too, so links to them are good links.
    docs.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links");
    docs.run()
}
