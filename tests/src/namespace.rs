//! Owns a network namespace with one veth pair into it, for peers that ignore loopback.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

/// A namespace and its two ends, removed when dropped.
#[derive(Debug)]
pub struct Namespace {
    /// Its name, for `ip netns exec`.
    pub name: String,
    /// The end outside, where the switch is.
    pub outside: Ipv4Addr,
    /// The end inside, where the peer is.
    pub inside: Ipv4Addr,
    link: String,
}

impl Namespace {
    /// A new one of this process.
    pub fn make() -> Namespace {
        let id = std::process::id();
        // RFC 2544's block for such tests, one /30 per process.
        let base = (id % 0x7fff) << 2;
        let host = |last: u32| Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + base + last);
        let space = Namespace {
            name: format!("hotline-{id}"),
            link: format!("hl{id}"),
            outside: host(1),
            inside: host(2),
        };
        let (name, link, peer) = (&space.name, &space.link, format!("hp{id}"));
        ip(&format!("netns add {name}"));
        ip(&format!("link add {link} type veth peer name {peer}"));
        ip(&format!("link set {peer} netns {name}"));
        ip(&format!("addr add {}/30 dev {link}", space.outside));
        ip(&format!("link set {link} up"));
        ip(&format!("-n {name} addr add {}/30 dev {peer}", space.inside));
        ip(&format!("-n {name} link set {peer} up"));
        ip(&format!("-n {name} link set lo up"));
        space
    }

    /// A program run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The pair's inner end goes with the outer one.
        for words in [format!("link del {}", self.link), format!("netns del {}", self.name)] {
            let _ = Command::new("ip").args(words.split(' ')).status();
        }
    }
}

/// Runs `act` on a thread of its own, in a network of its own that holds loopback alone: whatever it and the programs
/// that it starts send to other addresses goes nowhere.
///
/// # Panics
/// When `act` does, or without root.
pub fn alone(act: impl FnOnce() + Send) {
    let inside = || {
        // SAFETY: no pointers; it moves this thread alone.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "{}", std::io::Error::last_os_error());
        ip("link set lo up");
        act();
    };
    std::thread::scope(|scope| match scope.spawn(inside).join() {
        Ok(()) => {}
        Err(panic) => std::panic::resume_unwind(panic),
    });
}

/// Runs `act` on a thread of its own that alone sees what it mounts, with the programs that it starts: `folder` is a small
/// disk of `mebibytes` there.
///
/// # Panics
/// When `act` does, or without root.
pub fn with_small_disk(folder: &Path, mebibytes: u32, act: impl FnOnce() + Send) {
    let inside = || {
        // SAFETY: no pointers; it gives this thread mounts of its own.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0, "{}", std::io::Error::last_os_error());
        let run = |words: &[&str]| {
            let output = Command::new("mount").args(words).output().expect("mount");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        run(&["--make-rprivate", "/"]);
        let size = format!("size={mebibytes}m");
        run(&["-t", "tmpfs", "-o", &size, "tmpfs", &folder.to_string_lossy()]);
        act();
    };
    std::thread::scope(|scope| match scope.spawn(inside).join() {
        Ok(()) => {}
        Err(panic) => std::panic::resume_unwind(panic),
    });
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().expect("ip; Debian: iproute2");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}
