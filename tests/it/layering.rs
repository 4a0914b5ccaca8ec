//! The direction of dependency between the modules, read out of the sources themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of `src/` and the modules of this crate that it may name (besides itself).
const MAY_NAME: &[(&str, &[&str])] = &[
    ("net", &[]),
    ("http", &[]),
    ("crypto", &["http"]),
    ("telemetry", &["http"]),
    ("plan", &["http", "crypto", "telemetry"]),
    ("link", &["http", "crypto", "telemetry", "plan"]),
    ("edge", &["net", "http", "crypto", "telemetry", "plan", "link"]),
    ("control", &["http", "crypto", "telemetry", "plan", "link"]),
    ("boot", &["net", "http", "crypto", "telemetry", "plan", "link", "edge", "control"]),
];

/// Words that must not stand in the code of a module: (module, words, why).
const BANNED: &[(&str, &[&str], &str)] = &[
    (
        "plan",
        &["async fn", "async move", ".await", "tokio::", "monoio::", "std::fs", "TcpStream", "UdpSocket"],
        "plan does no I/O",
    ),
    ("http", &["async fn", ".await", "tokio::", "monoio::", "std::fs", "TcpStream"], "http does no I/O"),
    ("crypto", &["async fn", ".await", "tokio::", "monoio::", "std::fs"], "crypto does no I/O"),
    (
        "edge",
        &["monoio::", "tokio::net", "tokio::time", "tokio::spawn", "std::fs", "std::thread::sleep"],
        "edge does I/O by net alone and never blocks",
    ),
    ("control", &["monoio::"], "only net names the runtime of the data plane"),
    ("link", &["monoio::"], "only net names the runtime of the data plane"),
    ("boot", &["monoio::"], "only net names the runtime of the data plane"),
];

fn sources(of: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(of).unwrap_or_else(|e| panic!("{}: {e}", of.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The text of a source file without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The modules that `code` names by `crate::…`, be it one path or a braced list of them.
fn named(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        if code[..at].ends_with(|c| is_name(c) || c == '$') {
            continue;
        }
        let rest = code[at + path.len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(list) => names.extend(first_names(list)),
            None => names.extend(rest.split(|c| !is_name(c)).next().map(str::to_owned)),
        }
    }
    names
}

/// The first name of each entry of a braced list that has just been opened.
fn first_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut fresh) = (1, Vec::new(), true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            c if is_name(c) && fresh && depth == 1 => {
                names.push(list[at..].split(|c| !is_name(c)).next().unwrap_or_default().to_owned());
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[test]
fn modules_name_only_those_below_them() {
    let mut wrong = Vec::new();
    for (module, may_name) in MAY_NAME {
        for file in sources(&src().join(module)) {
            for name in named(&code(&file)) {
                let known = MAY_NAME.iter().any(|(m, _)| *m == name);
                if known && name != *module && !may_name.contains(&name.as_str()) {
                    wrong.push(format!("{}: {module} names {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_place() {
    let modules: BTreeSet<String> = fs::read_dir(src())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| !matches!(name.as_str(), "main.rs" | "lib.rs"))
        .collect();
    let known: BTreeSet<String> = MAY_NAME.iter().map(|(m, _)| (*m).to_owned()).collect();
    assert_eq!(modules, known);
}

#[test]
fn modules_keep_to_their_own_means() {
    let mut wrong = Vec::new();
    for (module, words, why) in BANNED {
        for file in sources(&src().join(module)) {
            let code = code(&file);
            let code = code.split("#[cfg(test)]").next().unwrap_or_default();
            for word in words.iter().filter(|w| code.contains(**w)) {
                // A file of tests may do what the code it tests may not.
                if !file.components().any(|c| c.as_os_str() == "tests" || c.as_os_str() == "tests.rs") {
                    wrong.push(format!("{}: `{word}`, but {why}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_net_holds_unsafe_code() {
    let words =
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern", "unsafe(", "allow(unsafe_code)"];
    let elsewhere = sources(&src()).into_iter().filter(|f| !f.starts_with(src().join("net")));
    let wrong: Vec<PathBuf> = elsewhere.filter(|f| words.iter().any(|word| code(f).contains(word))).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    for file in sources(&src().join("net")) {
        let text = fs::read_to_string(&file).unwrap();
        let blocks = text.matches("unsafe {").count();
        let reasons = text.matches("SAFETY:").count();
        assert!(reasons >= blocks, "{}: {blocks} unsafe blocks, {reasons} reasons", file.display());
    }
}

#[test]
fn the_reader_of_paths_reads_every_form() {
    let names = |code| named(code).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names("use crate::plan::Plan;"), "plan");
    assert_eq!(names("use crate::{edge, plan::{self, route}, link::door};"), "edge link plan");
    assert_eq!(names("fn f(x: crate::net::Socket) {}"), "net");
    assert_eq!(names("use ::http::Request; use xcrate::edge;"), "");
}
