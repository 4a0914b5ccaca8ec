//! What the process gives up once its sockets are open: privileges, capabilities, new programs, writing to files outside
//! its own folders, and system calls that it never needs.
//!
//! It is entered on the only thread there is yet, so that every later one inherits it. Reading files stays possible: a
//! reload reads what the configuration names. Each step that the kernel lacks is left out and told; none of them is a
//! reason not to serve, because the service manager's own fence stands around this one.

mod calls;
mod capabilities;
mod files;

use std::path::PathBuf;

/// Set to `off` in the environment to keep everything, for debuggers and tracers.
const SWITCH: &str = "VALLUM_SANDBOX";

/// How far one step got.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// It holds; in so many words.
    Holds(String),
    /// It does not, because of this.
    Missing(String),
}

/// What holds since [`enter`].
#[derive(Debug)]
pub struct Sandbox {
    steps: Vec<(&'static str, Step)>,
}

/// Gives up what is not needed from here on. `writable` are the folders in which files may still be written.
pub fn enter(writable: &[PathBuf]) -> Sandbox {
    if std::env::var_os(SWITCH).is_some_and(|value| value == "off") {
        return Sandbox { steps: vec![("sandbox", Step::Missing(format!("{SWITCH}=off")))] };
    }
    let steps = vec![
        // Order matters: the filter of system calls needs the first, and forbids what the others do.
        ("no_new_privs", step(rustix::thread::set_no_new_privs(true).map(|()| "on".to_owned()))),
        ("dumpable", step(undumpable())),
        ("capabilities", step(capabilities::drop_all())),
        ("landlock", step(files::restrict(writable))),
        ("seccomp", step(calls::restrict())),
    ];
    Sandbox { steps }
}

impl Sandbox {
    /// Says on one log line what holds, and on a warning what does not.
    pub fn tell(&self) {
        let of = |wanted: &str| match self.steps.iter().find(|(name, _)| *name == wanted) {
            Some((_, Step::Holds(how))) => how.as_str(),
            _ => "missing",
        };
        tracing::info!(
            no_new_privs = of("no_new_privs"),
            dumpable = of("dumpable"),
            capabilities = of("capabilities"),
            landlock = of("landlock"),
            seccomp = of("seccomp"),
            "sandbox"
        );
        for (step, outcome) in &self.steps {
            if let Step::Missing(reason) = outcome {
                tracing::warn!(step, reason, "a part of the sandbox is missing");
            }
        }
    }
}

fn step<E: std::fmt::Display>(outcome: Result<String, E>) -> Step {
    match outcome {
        Ok(how) => Step::Holds(how),
        Err(error) => Step::Missing(error.to_string()),
    }
}

/// No core dump and no tracing by others of the same user: keys are in this memory.
fn undumpable() -> Result<String, rustix::io::Errno> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok("off".to_owned())
}

#[cfg(test)]
mod tests;
