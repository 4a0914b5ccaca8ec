//! The keeper's end of the door: one connection on standard input, one request, its answer.
//!
//! The socket belongs to a group that only the service is in; who connects is looked at again here, because root's work
//! is done for them.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;

use super::UpdateError;
use super::machine::{self, Done, Machine};
use super::telling::Telling;
use crate::control::admin::appliance::door::{LINE_BYTES_MAX, Line, Request};

/// Longest wait for the request, and for room to write a line.
const PATIENCE: Duration = Duration::from_secs(10);
/// How the service's processes are recognised: systemd put them there.
const SERVICE: &str = "/vallum.service";

/// Answers the one who is connected to standard input.
pub fn standard_input() -> Result<(), UpdateError> {
    let stream = std::io::stdin().as_fd().try_clone_to_owned().map_err(UpdateError::Start)?;
    let mut stream = UnixStream::from(stream);
    stream.set_read_timeout(Some(PATIENCE)).map_err(UpdateError::Start)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(UpdateError::Start)?;
    let asked = admit(&stream).and_then(|()| read(&stream));
    answer(asked, &mut stream, Machine::find)
}

/// Does what was asked and says what came of it. The machine starts again after the last word, where that was asked.
fn answer(
    asked: Result<Request, UpdateError>,
    out: &mut impl Write,
    machine: impl FnOnce() -> Result<Machine, UpdateError>,
) -> Result<(), UpdateError> {
    let mut telling = Telling::to(out);
    match asked.and_then(|request| perform(&request, &machine()?, &mut telling)) {
        Ok(done) => {
            telling.end(&Line::Done(done.answer));
            if done.reboot { machine::reboot() } else { Ok(()) }
        }
        Err(error) => {
            telling.end(&Line::Failed(error.to_string()));
            Err(error)
        }
    }
}

fn perform(request: &Request, machine: &Machine, telling: &mut Telling) -> Result<Done, UpdateError> {
    match request {
        Request::Status => Ok(Done { answer: machine.status()?, reboot: false }),
        Request::Upgrade(wanted) => machine.upgrade(wanted, telling),
        Request::Rollback(wanted) => machine.rollback(wanted.reboot),
    }
}

/// Lets root in, our own user, and the service.
fn admit(stream: &UnixStream) -> Result<(), UpdateError> {
    let peer = socket_peercred(stream).map_err(|error| UpdateError::Request(error.to_string()))?;
    let pid = peer.pid.as_raw_nonzero().get();
    let groups = || std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    if peer.uid.is_root() || peer.uid == rustix::process::geteuid() || is_service(&groups()) {
        return Ok(());
    }
    Err(UpdateError::Stranger { pid, user: peer.uid.as_raw() })
}

/// By the control groups of a process (cgroups(7)).
fn is_service(groups: &str) -> bool {
    groups.lines().any(|line| line.starts_with("0::") && line.ends_with(SERVICE))
}

fn read(stream: &UnixStream) -> Result<Request, UpdateError> {
    let strange = |why: String| UpdateError::Request(why);
    let mut line = String::new();
    let mut bounded = BufReader::new(stream.take(LINE_BYTES_MAX as u64));
    bounded.read_line(&mut line).map_err(|error| strange(error.to_string()))?;
    if !line.ends_with('\n') {
        return Err(strange(format!("expected one line of at most {LINE_BYTES_MAX} bytes")));
    }
    serde_json::from_str(&line).map_err(|error| strange(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::image::tests::publisher::Rig;
    use crate::control::admin::appliance::door::Upgrade;

    #[test]
    fn the_service_is_known_by_its_place() {
        for (groups, is) in [
            ("0::/system.slice/vallum.service\n", true),
            ("1:name=systemd:/\n0::/system.slice/vallum.service\n", true),
            ("0::/system.slice/evil-vallum.service\n", false),
            ("0::/system.slice/vallum.service/below\n", false),
            ("1:cpu:/vallum.service\n", false),
            ("0::/\n", false),
            ("", false),
        ] {
            assert_eq!(is_service(groups), is, "{groups}");
        }
    }

    #[test]
    fn the_last_line_says_what_came_of_it() {
        let rig = Rig::new();
        rig.publish("1.1.0", b"root");
        let lines = |request: Request| -> Vec<Line> {
            let mut out = Vec::new();
            let _ = answer(Ok(request), &mut out, || Ok(rig.machine()));
            String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let source = rig.place("release").to_str().map(str::to_owned);
        let upgrade = lines(Request::Upgrade(Upgrade { source, ..Upgrade::default() }));
        let (last, before) = upgrade.split_last().unwrap();
        assert!(matches!(last, Line::Done(answer) if answer["changed"] == true), "{last:?}");
        assert!(before.len() >= 4 && before.iter().all(|line| matches!(line, Line::Progress(_))), "{before:?}");
        assert!(matches!(&lines(Request::Status)[..], [Line::Done(status)] if status["next"] == "1.1.0"));
        let nowhere = Upgrade { source: Some("/nonexistent".into()), ..Upgrade::default() };
        let refused = lines(Request::Upgrade(nowhere));
        assert!(matches!(&refused[..], [Line::Failed(why)] if why.contains("/nonexistent/vallum-update.json")));
    }
}
