//! Owns one linphone without a screen: a common phone's own registration, digest and calls, told what to do by its
//! command line.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::switch::{end, new_folder};
use crate::until;

/// A running linphonec.
#[derive(Debug)]
pub struct Linphone {
    folder: PathBuf,
    child: Child,
}

impl Linphone {
    /// Registers `user` at the switch, from a port that the system chooses.
    pub fn start(switch: SocketAddr, user: &str, password: &str, realm: &str) -> Linphone {
        let folder = new_folder();
        for below in [".local/share/linphone", ".config/linphone"] {
            std::fs::create_dir_all(folder.join(below)).expect("a folder");
        }
        // -1: any port; -2: not at all.
        let config = format!(
            "[sip]\nsip_port=-1\nsip_tcp_port=-2\nsip_tls_port=-2\nguess_hostname=0\ndefault_proxy=0\nuse_ipv6=0\n\
             ipv6_migration_done=TRUE\n[net]\ndns_srv_enabled=0\n[rtp]\naudio_rtp_port=-1\n\
             [auth_info_0]\nusername={user}\nuserid={user}\npasswd={password}\nrealm={realm}\n\
             [proxy_0]\nreg_proxy=<sip:{switch};transport=udp>\nreg_identity=sip:{user}@{host}\nreg_expires=300\n\
             reg_sendregister=1\npublish=0\n",
            host = switch.ip()
        );
        std::fs::write(folder.join("linphonerc"), config).expect("its configuration");
        let output = File::create(folder.join("output")).expect("a file");
        let child = Command::new("linphonec")
            .arg("-c")
            .arg(folder.join("linphonerc"))
            .args(["-d", "6", "-l"])
            .arg(folder.join("log"))
            .env("HOME", &folder)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("linphonec starts; Debian: linphone-cli");
        Linphone { folder, child }
    }

    /// Types a command.
    pub fn say(&mut self, command: &str) {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{command}").expect("linphonec reads");
    }

    /// Waits until it has written `words`.
    pub fn wait_for(&self, words: &str, limit: Duration) {
        until(words, limit, || self.output().contains(words).then_some(()));
    }

    /// Ends it as its user does; it then leaves the registrar.
    pub fn quit(mut self) {
        self.say("quit");
        until("the end of linphonec", Duration::from_secs(20), || self.child.try_wait().expect("its status"));
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.folder.join("output")).unwrap_or_default()
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("linphonec said:\n{}", self.output());
        }
        end(&mut self.child, &self.folder);
    }
}
