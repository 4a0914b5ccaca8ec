//! What a decision costs: nanoseconds by the number of criteria, with and without what the session settled.
//!
//! Run it by `just bench-policy`. Figures are medians of rounds on one thread; compare those of one run alone.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use serde_json::{Value, json};
use vallum::plan::policy::{Facts, Legacy, Policy, Verdict};
use vallum::plan::session::Session;

const SIZES: [usize; 3] = [1, 10, 100];
const ROUNDS: usize = 31;
/// Criteria judged in a round, about.
const JUDGED_PER_ROUND: usize = 200_000;

/// Writes the criterion at a position.
type Writer = fn(usize) -> Value;

fn main() {
    println!("{:<34} {:>9} {:>14} {:>14} {:>14}", "policy", "criteria", "ns, uncached", "ns, cached", "ns, to settle");
    let kinds: [(&str, Writer); 3] =
        [("on the session", on_session), ("on the request", on_request), ("half and half", half_and_half)];
    for (name, criterion) in kinds {
        for size in SIZES {
            measure(name, size, criterion);
        }
    }
}

fn on_session(at: usize) -> Value {
    match at % 3 {
        0 => json!({ "email": format!("somebody-{at}@example.com") }),
        1 => json!({ "claim/groups": format!("group-{at}") }),
        _ => json!({ "domain": { "ends_with": format!("{at}.example") } }),
    }
}

fn on_request(at: usize) -> Value {
    match at % 3 {
        0 => json!({ "http_path": { "starts_with": format!("/path/{at}/") } }),
        1 => json!({ "source_ip": format!("192.168.{at}.0/24") }),
        _ => json!({ "http_method": { "in": ["PUT", "DELETE"] } }),
    }
}

fn half_and_half(at: usize) -> Value {
    if at.is_multiple_of(2) { on_session(at / 2) } else { on_request(at / 2) }
}

/// All criteria fail, so that each of them is judged; the person is let in by a rule of its own.
fn measure(name: &str, size: usize, criterion: Writer) {
    let criteria: Vec<Value> = (0..size).map(criterion).collect();
    let document = json!([{ "allow": { "or": [{ "authenticated_user": true }] }, "deny": { "or": criteria } }]);
    let policy = Policy::compile(&Legacy::default(), Some(&document)).expect("a policy");
    let session = session();
    let facts = Facts {
        session: Some(&session),
        path: "/some/path/of/usual/length",
        source: IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)),
        ..Facts::default()
    };
    let residual = policy.settle(Some(&session));
    assert_eq!(policy.decide(&facts).verdict, Verdict::Allow);
    assert_eq!(policy.decide_rest(&residual, &facts), policy.decide(&facts));
    let times = JUDGED_PER_ROUND / size;
    let uncached = nanoseconds(times, || black_box(&policy).decide(black_box(&facts)));
    let cached = nanoseconds(times, || black_box(&policy).decide_rest(black_box(&residual), black_box(&facts)));
    let settling = nanoseconds(times, || black_box(&policy).settle(black_box(Some(&session))));
    println!("{name:<34} {size:>9} {uncached:>14.1} {cached:>14.1} {settling:>14.1}");
}

fn session() -> Session {
    Session {
        id: "session".into(),
        user_id: "alice".into(),
        email: "alice@example.com".into(),
        claims: [("groups".to_owned(), vec![json!("admins"), json!("staff"), json!("users")])].into(),
        ..Session::default()
    }
}

/// The median time of one call.
fn nanoseconds<T>(times: usize, call: impl Fn() -> T) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..times {
                black_box(call());
            }
            start.elapsed().as_secs_f64() * 1e9 / times as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
