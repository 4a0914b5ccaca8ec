//! The door between the service and the keeper of the image: verbs of the command line, the running process, the socket.
//! A test stands in for systemd, who accepts and starts the keeper with the connection; or for the keeper.

mod afar;
mod door;
mod told;

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::vallum::{HOST, and, clear, command, public_route};
use crate::harness::{Upstream, Vallum};

/// A process that was told that it runs in an appliance, and the folder of the keeper's socket.
struct Appliance {
    vallum: Vallum,
    keeper: TempDir,
}

impl Appliance {
    fn start() -> Appliance {
        Appliance::start_with(json!({}))
    }

    fn start_with(more: Value) -> Appliance {
        let (keeper, folder, upstream) = (TempDir::new().unwrap(), TempDir::new().unwrap(), Upstream::echo());
        let routes = json!([public_route(HOST, json!(upstream.url()))]);
        let settings = and(clear(routes), json!({"admin_socket": folder.path().join("admin.sock")}));
        let settings = and(settings, more);
        let mut command = command();
        command.env("VALLUM_IMAGE_KEEPER", keeper.path());
        Appliance { vallum: Vallum::start_as(command, folder, settings), keeper }
    }

    /// Answers each question with the same `text`; what is asked comes out of the channel.
    fn scripted(&self, text: &'static [u8]) -> Receiver<String> {
        let (sender, asked) = channel();
        self.accept(move |stream| {
            let mut line = String::new();
            // Who asks may go away at any time.
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = (&stream).write_all(text);
            let _ = sender.send(line);
        });
        asked
    }

    /// Starts the real keeper for each connection, as its socket unit does.
    fn real(&self) {
        self.accept(|stream| {
            let mut keeper = command();
            keeper.args(["image-keeper", "answer"]).stdin(Stdio::from(OwnedFd::from(stream)));
            keeper.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        });
    }

    fn accept(&self, mut serve: impl FnMut(UnixStream) + Send + 'static) {
        let path = self.keeper.path().join("keeper.sock");
        // One keeper follows another.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(path).unwrap();
        std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(&mut serve));
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        command().arg("--socket").arg(self.vallum.folder().join("admin.sock")).args(arguments).output().unwrap()
    }

    /// Exit code, what was printed, and what was complained of.
    fn answer(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.ask(arguments);
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
