//! Lines for the machine's console: the few that a person in front of it must see.

/// How loud a line is (syslog's priorities); the appliance's console shows what is a notice or worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    Error = 3,
    Notice = 5,
}

/// Says it on standard error. Under systemd each line carries its priority (sd-daemon(3)), by which the journal passes it
/// on to the console.
pub fn say(priority: Priority, text: &str) {
    let is_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    eprintln!("{}", line(priority, text, is_journal));
}

fn line(priority: Priority, text: &str, is_journal: bool) -> String {
    let text = text.replace(char::is_control, " ");
    if is_journal { format!("<{}>vallum: {text}", priority as u8) } else { format!("vallum: {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_gets_a_priority_and_one_line() {
        assert_eq!(line(Priority::Error, "a\nb", true), "<3>vallum: a b");
        assert_eq!(line(Priority::Notice, "ready", false), "vallum: ready");
    }
}
