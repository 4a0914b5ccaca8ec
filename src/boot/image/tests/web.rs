//! Releases from web servers, good and bad.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::publisher::Rig;
use crate::boot::image::UpdateError;
use crate::boot::image::machine::Done;
use crate::boot::image::telling::Telling;
use crate::control::admin::appliance::door::Upgrade;

/// How a server answers for the file whose name ends so; everything else it serves well.
type Manner = (&'static str, fn(&mut dyn Write, &[u8]));

/// Serves the folder `release` until the process ends; returns the port.
fn serve(release: PathBuf, manner: Option<Manner>, tls: Option<Arc<ServerConfig>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A client that does not like us goes away; so what.
            let _ = match tls.clone() {
                Some(config) => ServerConnection::new(config)
                    .map_err(std::io::Error::other)
                    .and_then(|connection| answer(StreamOwned::new(connection, stream), &release, manner)),
                None => answer(stream, &release, manner),
            };
        }
    });
    port
}

fn answer(stream: impl Read + Write, release: &Path, manner: Option<Manner>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut field = String::new();
    while reader.read_line(&mut field)? > 2 {
        field.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    assert!(path.starts_with("/stable/"), "{path}");
    let data = fs::read(release.join(path.rsplit('/').next().unwrap_or_default())).unwrap_or_default();
    let out: &mut dyn Write = reader.get_mut();
    match manner {
        Some((name, manner)) if path.ends_with(name) => manner(out, &data),
        _ => well(out, &data),
    }
    out.flush()
}

fn well(out: &mut dyn Write, data: &[u8]) {
    let _ = write!(out, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", data.len());
    let _ = out.write_all(data);
}

fn upgrade(rig: &Rig, source: String) -> Result<Done, UpdateError> {
    rig.machine().upgrade(&Upgrade { source: Some(source), ..Upgrade::default() }, &mut Telling::nobody())
}

fn refused(words: &str, manner: Manner) {
    let rig = Rig::new();
    rig.publish("1.1.0", &[3; 20_000]);
    let state = rig.state();
    let port = serve(rig.place("release"), Some(manner), None);
    let error = upgrade(&rig, format!("http://127.0.0.1:{port}/stable")).expect_err(words).to_string();
    assert!(error.contains(words), "{words}: {error}");
    assert_eq!(rig.state(), state, "{words}");
}

#[test]
fn a_release_comes_from_a_web_server() {
    let rig = Rig::new();
    rig.publish("1.1.0", &[3; 20_000]);
    let port = serve(rig.place("release"), None, None);
    // A slash at the end changes nothing.
    assert_eq!(upgrade(&rig, format!("http://127.0.0.1:{port}/stable/")).unwrap().answer["changed"], true);
    assert_eq!(rig.next(), "1.1.0");
}

#[test]
fn servers_that_do_not_keep_to_it() {
    refused(
        "404 Not Found",
        (".json", |out, _| {
            let _ = out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }),
    );
    refused(
        "no redirect is followed",
        ("v.efi", |out, _| {
            let _ = out.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
        }),
    );
    refused(
        "cannot be fetched",
        (".sig", |out, _| {
            let _ = out.write_all(b"220 mail.example ESMTP\r\n");
        }),
    );
    refused(
        "cannot be fetched",
        ("v.root.erofs", |out, data| {
            let _ = write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", data.len());
            let _ = out.write_all(&data[..100]);
        }),
    );
    refused("v.root.verity is longer than 4 bytes", ("v.root.verity", |out, data| well(out, &data.repeat(9))));
    refused("v.root.erofs ends after 19999 bytes", ("v.root.erofs", |out, data| well(out, &data[1..])));
    refused("is not the file that was signed", ("v.efi", |out, data| well(out, &data.to_ascii_uppercase())));
    refused(
        "longer than 16384 bytes",
        (".json", |out, _| {
            // It would never end.
            let _ = out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while out
                .write_all(b"400\r\n")
                .and_then(|()| out.write_all(&[b' '; 1024]))
                .and_then(|()| out.write_all(b"\r\n"))
                .is_ok()
            {}
        }),
    );
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_asked() {
    let rig = Rig::new();
    rig.publish("1.1.0", b"root");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let port = serve(rig.place("release"), None, Some(Arc::new(config)));
    let error = upgrade(&rig, format!("https://localhost:{port}/stable")).unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn nobody_there() {
    let rig = Rig::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = upgrade(&rig, format!("http://127.0.0.1:{port}/stable")).unwrap_err().to_string();
    assert!(error.contains("/stable/vallum-update.json cannot be fetched"), "{error}");
}
