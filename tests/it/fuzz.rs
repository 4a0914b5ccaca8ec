//! The corpus of every fuzz target, replayed, and as many variations of it as fit into a second or two: the part of
//! fuzzing that every run of the tests can afford. `tests/fuzz/run` does the rest.

#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::path::{Path, PathBuf};

use properties::ALL;

/// Variations of all inputs of a target together.
const VARIATIONS: usize = 30_000;
/// The same for targets that use the file system.
const VARIATIONS_OF_FILES: usize = 1_000;
/// Largest input.
const INPUT_BYTES_MAX: usize = 16 * 1024;

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// xorshift64: the same numbers in every run, so that what fails once fails again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Bytes that matter to parsers.
const TELLING: &[u8] = b"\0\t\n\r \"#%&+,-./0123456789:;=?@ABCFX[\\]^_abcfx{|}~\x7f\x80\xff";

/// One to four small changes; some take a piece of another input.
fn vary(input: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len() + 1);
        let telling = TELLING[numbers.below(TELLING.len())];
        match numbers.below(6) {
            0 => bytes.insert(at, telling),
            1 if at < bytes.len() => bytes[at] = telling,
            2 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            3 if at < bytes.len() => drop(bytes.drain(at..bytes.len().min(at + 1 + numbers.below(8)))),
            4 => bytes.truncate(at),
            _ => {
                let from = numbers.below(other.len() + 1);
                let to = other.len().min(from + numbers.below(64));
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

/// Tries the property and says with which input it failed.
fn check(target: &str, input: &[u8]) {
    let result = std::panic::catch_unwind(|| properties::run(target, input));
    assert!(result.is_ok(), "{target} does not hold for b\"{}\"", input.escape_ascii());
}

fn replay(target: &str) {
    let inputs: Vec<Vec<u8>> = corpus(target).iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(inputs.len() >= 3, "{target} has a corpus of {}", inputs.len());
    check(target, b"");
    inputs.iter().for_each(|input| check(target, input));
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let rounds = if target == "config" { VARIATIONS_OF_FILES } else { VARIATIONS };
    for round in 0..rounds {
        let input = &inputs[round % inputs.len()];
        let other = &inputs[numbers.below(inputs.len())];
        check(target, &vary(input, other, &mut numbers));
    }
}

macro_rules! replays {
    ($($target:ident),* $(,)?) => {
        $(#[test] fn $target() { replay(stringify!($target)); })*

        #[test]
        fn every_target_is_replayed_and_has_its_program() {
            let replayed = [$(stringify!($target)),*];
            assert_eq!(ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>(), replayed);
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            for target in replayed {
                assert!(folder.join(format!("targets/{target}.rs")).is_file(), "no program for {target}");
                assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in the manifest");
            }
        }
    };
}

replays!(
    request_head,
    framing,
    chunked,
    path,
    authority,
    cookie,
    proxy_header,
    forwarded,
    response_head,
    http2,
    policy,
    config,
);
