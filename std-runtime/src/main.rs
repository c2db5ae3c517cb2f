//! `caligo-run`: see `caligo-run --help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use caligo_runtime::cli::{Cli, Ending, Usage};
use clap::error::ErrorKind;

fn main() -> ExitCode {
    let cli = match Cli::of_process() {
        Ok(cli) => cli,
        Err(error)
            if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            // The first paragraph says it all; a line a message is what scripts expect.
            let text = error.render().to_string();
            let first: Vec<&str> = text.lines().take_while(|l| !l.trim().is_empty()).map(str::trim).collect();
            let line = first.join(" ");
            eprintln!("caligo-run: {} (see --help)", line.strip_prefix("error: ").unwrap_or(&line));
            return ExitCode::from(2);
        }
        Err(error) => error.exit(),
    };
    match cli.run() {
        Ok(Ending::Success) => ExitCode::SUCCESS,
        Ok(Ending::Failure) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("caligo-run: {}", one_line(&error));
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// The error and its causes, less those whose text an outer one already gives.
fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text.replace('\n', " ")
}
