//! `benches/pgo/rustc`, which Cargo calls in place of the compiler: what it adds for which crate.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// A compiler that says what it was asked for.
const COMPILER: &str = "#!/bin/sh\ncase \"$1\" in --version) echo 'rustc 1.0.0 (here)' ;; *) echo \"$*\" ;; esac\n";
const RELEASE: &[&str] = &["--crate-name", "vallum", "src/lib.rs", "-C", "opt-level=3"];

/// The wrapper in a folder of its own, with a profile of a compiler that calls itself `recorded`.
fn compile(folder: &Path, recorded: Option<&str>, mode: Option<&str>, arguments: &[&str]) -> Output {
    let wrapper = folder.join("rustc-wrapper");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pgo/rustc"), &wrapper).unwrap();
    let compiler = folder.join("compiler");
    fs::write(&compiler, COMPILER).unwrap();
    fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).unwrap();
    if let Some(recorded) = recorded {
        fs::write(folder.join("vallum.profdata"), "counts").unwrap();
        fs::write(folder.join("vallum.rustc"), format!("{recorded}\n")).unwrap();
    }
    let mut command = Command::new(&wrapper);
    command.arg(&compiler).args(arguments).env_remove("VALLUM_PGO").env_remove("VALLUM_PGO_INTO");
    if let Some(mode) = mode {
        command.env("VALLUM_PGO", mode);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn only_a_release_build_of_our_own_crate_uses_the_profile() {
    let folder = tempfile::tempdir().unwrap();
    let profile = format!("-Cprofile-use={}/vallum.profdata", folder.path().canonicalize().unwrap().display());
    for (arguments, is_used) in [
        (RELEASE, true),
        (&["--crate-name", "vallum", "src/main.rs", "-C", "opt-level=3", "-C", "panic=unwind"], true),
        (&["--crate-name", "vallum", "src/lib.rs", "--test", "-C", "opt-level=3"], false),
        (&["--crate-name", "vallum", "src/lib.rs"], false),
        (&["--crate-name", "rustls", "src/lib.rs", "-C", "opt-level=3"], false),
        (&["-vV"], false),
    ] {
        let output = compile(folder.path(), Some("rustc 1.0.0 (here)"), None, arguments);
        let (out, err) = said(&output);
        assert!(output.status.success() && err.is_empty(), "{arguments:?}: {err}");
        assert!(out.starts_with(arguments[0]), "{out}");
        assert_eq!(out.contains(&profile), is_used, "{arguments:?}: {out}");
        assert_eq!(out.contains("profile"), is_used, "{arguments:?}: {out}");
    }
}

#[test]
fn without_a_profile_of_this_compiler_it_says_so_and_goes_on() {
    for recorded in [None, Some("rustc 2.0.0 (elsewhere)")] {
        let folder = tempfile::tempdir().unwrap();
        let output = compile(folder.path(), recorded, None, RELEASE);
        let (out, err) = said(&output);
        assert!(output.status.success() && !out.contains("profile"), "{out}");
        assert!(err.contains(recorded.unwrap_or("no compiler")) && err.contains("just pgo"), "{err}");
    }
}

#[test]
fn it_can_be_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let compiled = |mode| compile(folder.path(), Some("rustc 1.0.0 (here)"), Some(mode), RELEASE);
    let (out, err) = said(&compiled("off"));
    assert!(!out.contains("profile") && err.is_empty(), "{out}{err}");
    let wrong = compiled("fast");
    assert!(!wrong.status.success() && said(&wrong).1.contains("VALLUM_PGO=fast: expected on, off or record"));
    let homeless = compiled("record");
    assert!(!homeless.status.success() && said(&homeless).1.contains("a folder for the counts"));
}
