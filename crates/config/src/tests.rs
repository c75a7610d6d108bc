//! The samples under `configs/`, whole and broken, and every kind of mistake.

use std::path::{Path, PathBuf};

use crate::{Diagnostics, Loaded, Sources, load};

mod mistakes;
mod mutations;
mod reload;
mod samples;
mod tables;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name)
}

/// Names of the prompts and music that come with the product, as its folders have them.
fn prompts() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts");
    let files = ["zh-CN", "moh"].into_iter().flat_map(|kind| std::fs::read_dir(folder.join(kind)).unwrap());
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.map(|entry| stem(entry.unwrap().path())).collect()
}

fn sample(name: &str) -> Sources {
    let prompts = prompts();
    Sources::read_dir(&folder(name)).unwrap().with_prompts(prompts.iter().map(String::as_str))
}

fn loaded(name: &str) -> Loaded {
    load(&sample(name)).unwrap_or_else(|found| panic!("{found}"))
}

/// What is found in the starter folder after `edit` of one of its files; an empty text takes the file away.
fn found_after(path: &str, edit: impl Fn(&str) -> String) -> Diagnostics {
    match load(&edited("starter", path, edit)) {
        Ok(loaded) => loaded.warnings,
        Err(found) => found,
    }
}

fn edited(name: &str, path: &str, edit: impl Fn(&str) -> String) -> Sources {
    let mut sources = sample(name);
    match sources.files.iter_mut().find(|file| file.path == path) {
        Some(file) => file.text = edit(&file.text),
        None => {
            let mut files = Sources::from_files([(path, edit(""))]).files;
            sources.files.append(&mut files);
            sources.files.sort_by(|a, b| a.path.cmp(&b.path));
        }
    }
    sources.files.retain(|file| !file.text.is_empty());
    sources
}
