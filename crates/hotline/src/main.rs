//! Owns the binary: the command line (`cli`) and the wiring of a running switch (`node`).

use std::process::ExitCode;

mod cli;
mod demo;
mod load;
mod node;

fn main() -> ExitCode {
    cli::run()
}
