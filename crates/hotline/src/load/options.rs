//! Owns what may be asked of `hotline load`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

/// What is put through which switch.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// 被测交换机的 SIP 地址 (UDP) / the switch's SIP address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5060")]
    pub to: SocketAddr,
    /// 被叫号码 / the number that is called
    #[arg(long, value_name = "NUMBER", default_value = "4000000004")]
    pub number: String,
    /// 主叫号码 / the number that calls
    #[arg(long, value_name = "NUMBER", default_value = "13800138000")]
    pub from: String,
    /// 主叫一侧的本机地址 / the calling side's own address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5070")]
    pub caller: SocketAddr,
    /// 接听一侧的本机地址 / the answering side's own address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5090")]
    pub callee: SocketAddr,
    /// 先在交换机注册的话机: 用户:密码, 可写 9001-9100:密码 / phones to register first
    #[arg(long, value_name = "USER:PASSWORD", value_parser = phones)]
    pub register: Vec<Phones>,
    /// 注册用的域; 默认为交换机的地址 / the phones' domain, the switch's address by default
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// 共多少个呼叫 / how many calls in all
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub calls: u32,
    /// 每秒多少个 / how many begin each second
    #[arg(long, value_name = "R", default_value_t = 100.0, value_parser = rate)]
    pub rate: f64,
    /// 每个通话多少秒 / how many seconds each talks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub hold: Duration,
    /// 振铃多少秒后接听 / how many seconds a phone rings
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub ring: Duration,
    /// 双向语音, 带序号和时刻 / audio both ways, stamped with sequence and time
    #[arg(long)]
    pub rtp: bool,
    /// 每个语音包多少毫秒: 10 到 60, 10 的倍数 / milliseconds of audio in a packet: 10 to 60, a multiple of 10
    #[arg(long, value_name = "MS", default_value = "20", value_parser = ptime)]
    pub ptime: u8,
    /// 其中多少个通话发语音, 其余接通而无声; 默认为全部 / how many of the calls speak, all by default; the others are open and silent
    #[arg(long, value_name = "N", requires = "rtp")]
    pub speaking: Option<u32>,
    /// 被测交换机的进程号, 统计其 CPU 和内存 / the switch's process, whose CPU and memory are reported
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// 压测本身绑定的 CPU / the CPU that the load itself keeps to
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<usize>,
    /// 压测以实时优先级运行, 不被别的进程打断; 要 root 或 CAP_SYS_NICE / the load goes before all other processes of its CPU
    #[arg(long, requires = "cpu")]
    pub realtime: bool,
    /// 不经交换机: 语音经过一个裸 epoll 转发线程, 作为对照 / no switch: audio through a bare epoll forwarder, to compare
    #[arg(long)]
    pub floor: bool,
    /// 转发线程绑定的 CPU / the CPU that the forwarder keeps to
    #[arg(long, value_name = "CPU", requires = "floor")]
    pub floor_cpu: Option<usize>,
}

/// Phones with one password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phones {
    pub users: Vec<String>,
    pub password: String,
}

fn phones(text: &str) -> Result<Phones, String> {
    let wrong = || "应为 用户:密码 或 9001-9100:密码 / USER:PASSWORD or FIRST-LAST:PASSWORD".to_owned();
    let (users, password) = text.split_once(':').ok_or_else(wrong)?;
    let password = password.to_owned();
    let Some((first, last)) = users.split_once('-') else {
        return Ok(Phones { users: vec![users.to_owned()], password });
    };
    let (Ok(low), Ok(high)) = (first.parse::<u32>(), last.parse::<u32>()) else {
        // A name with a dash in it.
        return Ok(Phones { users: vec![users.to_owned()], password });
    };
    if low > high || high - low >= MOST_PHONES {
        return Err(wrong());
    }
    let wide = first.len();
    Ok(Phones { users: (low..=high).map(|user| format!("{user:0wide$}")).collect(), password })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "应为秒数 / seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn ptime(text: &str) -> Result<u8, String> {
    let wrong = || "应为 10 到 60 之间 10 的倍数 / a multiple of 10 from 10 to 60".to_owned();
    let millis: u8 = text.parse().map_err(|_| wrong())?;
    if (10..=60).contains(&millis) && millis.is_multiple_of(10) { Ok(millis) } else { Err(wrong()) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "应为每秒呼叫数 / calls per second".to_owned())?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err("应大于 0 / above 0".to_owned()) }
}

const MOST_PHONES: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_come_alone_or_in_a_row_and_keep_their_noughts() {
        assert_eq!(
            phones("alice:a:b").unwrap(),
            Phones { users: vec!["alice".into()], password: "a:b".into() }
        );
        assert_eq!(phones("009-011:x").unwrap().users, ["009", "010", "011"]);
        assert_eq!(phones("front-desk:x").unwrap().users, ["front-desk"]);
        assert!(phones("alice").is_err() && phones("9-1:x").is_err());
    }

    #[test]
    fn lengths_and_rates_are_numbers_that_make_sense() {
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        assert!(seconds("-1").is_err() && seconds("x").is_err());
        assert_eq!((ptime("10"), ptime("60")), (Ok(10), Ok(60)));
        assert!(ptime("5").is_err() && ptime("25").is_err() && ptime("70").is_err() && ptime("x").is_err());
        assert!(rate("0").is_err() && rate("nan").is_err() && rate("8000").is_ok());
    }
}
