//! The harness of whole calls with real peers: a switch of its own per test, SIPp as carrier and phone, baresip as the
//! agent's phone, and ears for what was recorded. The tests themselves live in `tests/`.

mod baresip;
mod browser;
mod capture;
mod certificates;
mod kamailio;
mod linphone;
mod listener;
mod name_server;
mod namespace;
mod office;
mod place;
mod rtpengine;
mod sipp;
mod sniffer;
mod switch;
mod talker;
mod tunnel;
mod waiting;
mod wav;

pub use baresip::{Baresip, Spoken};
pub use browser::Browser;
pub use capture::Capture;
pub use certificates::Certificates;
pub use kamailio::Kamailio;
pub use linphone::Linphone;
pub use listener::Listener;
pub use name_server::{NameServer, Named};
pub use namespace::{Namespace, alone, with_small_disk};
pub use office::Office;
pub use place::{Place, may_use_raw_sockets, turn};
pub use rtpengine::Rtpengine;
pub use sipp::{Sipp, SippRun};
pub use sniffer::{Datagram, Sniffer};
pub use switch::{Call, Switch, Talk, copy_folder, hotline};
pub use talker::{Sprayer, Talker};
pub use tunnel::Tunnel;
pub use waiting::{now, paced, seconds, until};
pub use wav::{Wav, write_tone};

/// What the caller says, in Hz.
pub const CALLER_HZ: f64 = 440.0;
/// What the agent says, in Hz.
pub const AGENT_HZ: f64 = 660.0;
/// What the callers of a load say, in Hz.
pub const LOAD_CALLER_HZ: f64 = 400.0;
/// What those say who answer a load, in Hz.
pub const LOAD_CALLEE_HZ: f64 = 700.0;
