//! The samples under `configs/`, whole and broken.

use std::path::{Path, PathBuf};

use crate::{Loaded, Sources, load};

mod samples;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name)
}

/// Names of the prompts that come with the product, as its folder has them.
fn prompts() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts/zh-CN");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    names.map(stem).chain(["moh".to_owned()]).collect()
}

fn sample(name: &str) -> Sources {
    let prompts = prompts();
    Sources::read_dir(&folder(name)).unwrap().with_prompts(prompts.iter().map(String::as_str))
}

fn loaded(name: &str) -> Loaded {
    load(&sample(name)).unwrap_or_else(|found| panic!("{found}"))
}
