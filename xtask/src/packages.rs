//! Owns the system packages that tests and builds need: installs the missing ones as root on Debian, names them otherwise.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// A program that tests run, and the Debian package that has it.
const NEEDED: &[(&str, &str)] = &[
    ("sipp", "sip-tester"),
    ("svmap", "sipvicious"),
    ("baresip", "baresip-core"),
    ("linphonec", "linphone-cli"),
    ("sipsak", "sipsak"),
    ("tshark", "tshark"),
    ("kamailio", "kamailio"),
    ("rtpengine", "rtpengine-daemon"),
    ("sox", "sox"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("cc", "build-essential"),
    ("openssl", "openssl"),
    ("node", "nodejs"),
    ("npm", "npm"),
];

/// Installs what tests need and is missing, or says what to install.
pub fn ensure() -> Result<()> {
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    browser_phone()
}

/// Installs Debian packages.
///
/// # Errors
/// Says which, where that is not ours to do.
pub fn install(packages: &[&str]) -> Result<()> {
    let words = packages.join(" ");
    if !is_root() || !is_installed("apt-get") {
        bail!("缺少软件包 / these Debian packages are missing:\n  sudo apt-get install {words}");
    }
    eprintln!("▶ apt-get install {words}");
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

/// The telephone in a browser that tests call with: what its lock file names, installed once per lock file.
fn browser_phone() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/js");
    let (lock, installed) = (folder.join("package-lock.json"), folder.join("node_modules/.installed"));
    let wanted = std::fs::read(&lock)?;
    if std::fs::read(&installed).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    eprintln!("▶ npm ci");
    let status = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("失败 / failed: npm ci ({})", folder.display());
    }
    Ok(std::fs::write(installed, wanted)?)
}

fn apt(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("失败 / failed: apt-get {}", arguments.join(" "));
    }
    Ok(())
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
