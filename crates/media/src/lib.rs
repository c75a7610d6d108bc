//! Owns media without I/O: RTP and RTCP, codecs, DTMF, rooms, playing, figures, and the recording format. Does not
//! own sockets, threads or files (see `media-net`), nor calls (see `call`).

mod alarm;
pub mod clip;
pub mod codec;
pub mod command;
mod conceal;
pub mod dtmf;
pub mod finisher;
pub mod g711;
mod halfband;
pub mod import;
mod jitter;
mod loudness;
mod noise;
pub mod player;
mod port;
mod port_report;
pub mod port_source;
pub mod quality;
pub mod recording;
pub mod room;
pub mod rtcp;
pub mod rtp;
pub mod rtp_receive;
pub mod rtp_send;
pub mod sink;
pub mod speech;
pub mod srtp;
pub mod tone;
mod voice;
pub mod wav;

pub use clip::Clip;
pub use command::{Command, Event};
pub use room::Room;
pub use sink::{Channel, PortIndex, Side, Sink, TapPacket};
