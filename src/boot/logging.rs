//! Which log format a command gets.

use std::io::IsTerminal;

use super::cli::Command;
use crate::telemetry::logging::Format;

/// What `--log-format` says for `run`; for `dev`, text when a person is looking; JSON otherwise.
pub fn format_of(command: &Command) -> Format {
    format(command, std::io::stdout().is_terminal())
}

fn format(command: &Command, terminal: bool) -> Format {
    match command {
        Command::Run(run) => run.log_format.into(),
        Command::Dev(_) if terminal => Format::Text,
        _ => Format::Json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::cli::{Dev, LogFormat, Run};

    #[test]
    fn people_get_text() {
        let dev = Command::Dev(Dev { address: "127.0.0.1:0".parse().unwrap(), state_dir: None });
        assert_eq!(format(&dev, true), Format::Text);
        assert_eq!(format(&dev, false), Format::Json);
        let run = |log_format| Command::Run(Run { config: None, managed: false, log_format });
        assert_eq!(format(&run(LogFormat::Json), true), Format::Json);
        assert_eq!(format(&run(LogFormat::Text), false), Format::Text);
    }
}
