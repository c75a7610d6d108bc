//! Owns the set of files that `hotline init` writes and `hotline run` without a folder uses: `configs/starter/`.

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../configs/starter/", $path)))),*]
    };
}

/// The files, as `(path, text)`: one number, a menu, two queues, three agents with phones, on 127.0.0.1.
pub fn starter() -> Vec<(&'static str, &'static str)> {
    files![
        "agents/agents.toml",
        "flows/main.toml",
        "hotline.toml",
        "numbers/4008001234.toml",
        "phones/phones.toml",
        "queues/sales.toml",
        "queues/service.toml",
        "trunks/local.toml",
    ]
    .to_vec()
}
