//! The cost of a start, compared with programs that do less or use another approach.

use std::time::Duration;

use crate::measure::{Spread, interleaved, times_of};
use crate::page::Page;
use crate::plot::Plot;
use crate::programs::{Programs, provider_variables};
use crate::support::floods::{self, Flood};
use crate::support::{Database, Hostile, Options, Proxy, Server, Variant, proxy};

const CROWD: usize = 200;
/// Four variables each, out of the 16,384 that a file may have.
const MOST: u32 = 4_000;
const NO_TIME: &str = "Memory was not measured: /usr/bin/time is not installed.";

pub fn measure(programs: &Programs, server: &Server, page: &mut Page, rounds: usize) {
    page.section("Goals", "");
    nothing_to_do(programs, server, page, rounds);
    with_tls(programs, page, rounds);
    instructions(programs, server, page);
    round_trips(programs, server, page);
    first_seed(programs, server, page, rounds);
    crowd(programs, server, page, rounds, Duration::ZERO);
    crowd(programs, server, page, rounds, Duration::from_millis(10));
    memory_and_size(programs, server, page);
    growth(programs, server, page, rounds);
}

fn nothing_to_do(programs: &Programs, server: &Server, page: &mut Page, rounds: usize) {
    let database = server.database(Variant::Current);
    let seed = programs.seed(&database.url()).envs(provider_variables(100, 2));
    seed.run();
    let floor = |what: &str| programs.floor(&database.url(), what);
    let mut runs = vec![seed.clone(), floor("select-1"), floor("read")];
    runs.extend(programs.psql(&database.url()));
    // A run takes milliseconds, and the goals are close: with fewer rounds the ratio differs by a twentieth from page to page.
    let times = interleaved(rounds * 20, &runs, || {});
    page.time("`seed`, nothing to do, 100 providers × 2 keys", &times[0]);
    page.time("the floor: connect and `select 1` with the same libraries", &times[1]);
    page.plain_ratio("nothing to do ÷ floor", times[0].ratio(&times[1]));
    page.time("only the read: the floor with the one statement of such a seed in place of `select 1`", &times[2]);
    page.ratio("nothing to do ÷ only the read", times[0].ratio(&times[2]), "at most", 1.2);
    page.plain_ratio("only the read ÷ floor", times[2].ratio(&times[1]));
    match times.get(3) {
        Some(psql) => {
            page.time("`psql -c 'select 1'`", psql);
            page.ratio("nothing to do ÷ psql", times[0].ratio(psql), "at most", 0.72);
        }
        None => page.note("There was no psql for the comparison."),
    }
}

fn with_tls(programs: &Programs, page: &mut Page, rounds: usize) {
    let authority = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("make a certificate");
    let (certificate, key) = (authority.cert.pem(), authority.signing_key.serialize_pem());
    let server = Server::start(Options::new().tls(&certificate, &key));
    let file = tempfile::NamedTempFile::new().expect("create a file");
    std::fs::write(file.path(), certificate).expect("write the certificate");
    let database = server.database(Variant::Current);
    let url = database.url().replace("127.0.0.1", "localhost").replace("sslmode=disable", "");
    let root = file.path().to_string_lossy();
    let seed = programs.seed(&format!("{url}sslmode=verify-full&sslrootcert={root}"));
    let seed = seed.envs(provider_variables(100, 2));
    seed.run();
    let floor = programs.floor(&format!("{url}sslmode=require"), "select-1").env("FLOOR_CA", &root);
    let times = interleaved(rounds, &[seed, floor], || {});
    page.time("`seed`, nothing to do, over TLS (`verify-full`)", &times[0]);
    page.time("the floor over TLS", &times[1]);
    page.plain_ratio("nothing to do ÷ floor, over TLS", times[0].ratio(&times[1]));
}

fn round_trips(programs: &Programs, server: &Server, page: &mut Page) {
    for number in [1, 1000] {
        let database = server.database(Variant::Current);
        let trips = || {
            let proxy = Proxy::new().start(server.port());
            let url = database.url_at(proxy.port(), "postgres", "postgres");
            programs.seed(&url).envs(provider_variables(number, 2)).run();
            proxy.round_trips().iter().sum::<usize>() as u64
        };
        page.count(&format!("round trips of a first seed, {number} providers"), trips(), 4);
        page.count(&format!("round trips with nothing to do, {number} providers"), trips(), 1);
    }
}

fn empty(database: &Database) {
    database.execute("truncate ai_providers, ai_provider_keys, audit_logs");
}

fn first_seed(programs: &Programs, server: &Server, page: &mut Page, rounds: usize) {
    let database = server.database(Variant::Current);
    let floor = |what: &str| programs.floor(&database.url(), what).args(["1000", "5"]);
    let runs = [programs.seed(&database.url()).envs(provider_variables(1000, 5)), floor("per-row"), floor("prepared")];
    let times = interleaved(rounds, &runs, || empty(&database));
    page.time("`seed`, first time, 1,000 providers × 5 keys (12,000 rows with their audit)", &times[0]);
    page.time("the same rows, one unprepared statement each, in one transaction", &times[1]);
    page.time("the same rows, each kind of statement prepared once", &times[2]);
    page.ratio("one statement per row ÷ first seed", times[1].ratio(&times[0]), "at least", 10.0);
    page.ratio("prepared ÷ first seed", times[2].ratio(&times[0]), "at least", 5.0);
}

fn crowd(programs: &Programs, server: &Server, page: &mut Page, rounds: usize, each_way: Duration) {
    let database = server.database(Variant::Current);
    programs.seed(&database.url()).envs(provider_variables(100, 2)).run();
    // With 20 ms for each of a hundred statements, one crowd would take minutes.
    let with_coder = each_way.is_zero();
    let times = times_of(rounds, if with_coder { 4 } else { 3 }, |which| {
        // A separate proxy for each crowd, since it keeps its connections.
        let proxy = (!each_way.is_zero()).then(|| Proxy::new().delay(each_way).start(server.port()));
        let port = proxy.as_ref().map_or(server.port(), proxy::RunningProxy::port);
        let url = database.url_at(port, "postgres", "postgres");
        let program = match which {
            0 => programs.seed(&url).envs(provider_variables(100, 2)).arg("--wait=300s"),
            1 => programs.floor(&url, "read"),
            2 => programs.floor(&url, "through-lock"),
            _ => programs.floor(&url, "as-coder"),
        };
        program.crowd(CROWD)
    });
    let way = match each_way.as_millis() {
        0 => "on loopback".to_owned(),
        ms => format!("with {} ms added per round trip", 2 * ms),
    };
    page.time(&format!("{CROWD} `seed` at once, nothing to do, {way}"), &times[0]);
    page.time(&format!("{CROWD} times only the read at once, {way}"), &times[1]);
    page.time(&format!("{CROWD} times the same read through the lock at once, {way}"), &times[2]);
    if with_coder {
        page.time(&format!("{CROWD} times as Coder's server looked, at once, {way}"), &times[3]);
    }
    let (what, ratio) = (format!("the read through the lock ÷ only the read, {way}"), times[2].ratio(&times[1]));
    match with_coder {
        // Without network delay both programs wait for the processors.
        true => page.plain_ratio(&what, ratio),
        false => page.ratio(&what, ratio, "at least", 3.0),
    }
    page.plain_ratio(&format!("the read through the lock ÷ `seed`, {way}"), times[2].ratio(&times[0]));
    if with_coder {
        page.plain_ratio(&format!("as Coder's server looked ÷ `seed`, {way}"), times[3].ratio(&times[0]));
    }
}

fn memory_and_size(programs: &Programs, server: &Server, page: &mut Page) {
    let database = server.database(Variant::Current);
    let seed = programs.seed(&database.url()).envs(provider_variables(100, 2));
    for what in ["first seed", "nothing to do"] {
        match seed.peak_memory() {
            Some(kib) => {
                page.size(&format!("peak resident memory, {what}, 100 providers × 2 keys"), kib * 1024, Some(4 << 20))
            }
            None => page.note(NO_TIME),
        }
    }
    if let Some(kib) = programs.floor(&database.url(), "select-1").peak_memory() {
        page.size("peak resident memory of the floor", kib * 1024, None);
    }
    match flooded(programs) {
        Some(kib) => page.size("peak resident memory with a server that floods it", kib * 1024, Some(100 << 20)),
        None => page.note(NO_TIME),
    }
    for (what, path, goal) in programs.images() {
        page.size(what, std::fs::metadata(path).expect("look at an image").len(), Some(goal));
    }
}

/// In KiB, for the run with the highest use; servers that stay silent are left out.
fn flooded(programs: &Programs) -> Option<u64> {
    let floods = floods::FLOODS.iter().filter(|flood| !["silent", "slow"].contains(&flood.name));
    let peak = |flood: &Flood| {
        let server = Hostile::start(flood.act);
        let seed = programs.seed(&server.url()).envs(floods::variables()).arg("--wait=0");
        seed.peak_memory_of_failure()
    };
    floods.filter_map(peak).max()
}

/// The difference, which excludes the start and the end of a run.
fn instructions(programs: &Programs, server: &Server, page: &mut Page) {
    let count = |providers: u32| {
        let database = server.database(Variant::Current);
        let seed = programs.seed(&database.url()).envs(provider_variables(providers, 2));
        seed.run();
        seed.instructions()
    };
    let (Some(one), Some(hundred)) = (count(1), count(100)) else {
        return page.note("Instructions were not counted: valgrind is not installed.");
    };
    page.count(
        "instructions for each provider, nothing to do, 2 keys: (100 providers − 1) ÷ 99",
        (hundred - one) / 99,
        40_000,
    );
    page.plain("the same: of a whole run with one provider", &format!("{:.2} million", one as f64 / 1e6));
}

fn growth(programs: &Programs, server: &Server, page: &mut Page, rounds: usize) {
    let mut first = Vec::new();
    let mut quiet = Vec::new();
    let mut memory = Vec::new();
    for number in [1, 10, 100, 1_000, MOST] {
        let database = server.database(Variant::Current);
        let file = tempfile::NamedTempFile::new().expect("create a file");
        let lines: String =
            provider_variables(number, 2).iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        std::fs::write(file.path(), lines).expect("write the variables");
        let seed = programs.seed(&database.url()).arg("--env-file").arg(&file.path().to_string_lossy());
        let ms = |times: &Spread| times.median.as_secs_f64() * 1000.0;
        let x = f64::from(number);
        let times = interleaved(rounds, std::slice::from_ref(&seed), || empty(&database));
        first.push((x, ms(&times[0])));
        let times = interleaved(rounds, std::slice::from_ref(&seed), || {});
        quiet.push((x, ms(&times[0])));
        memory.extend(seed.peak_memory().map(|kib| (x, kib as f64 / 1024.0)));
        page.growth(number, first.last().unwrap().1, quiet.last().unwrap().1, memory.last().map(|point| point.1));
    }
    page.plot(
        Plot::new("Time of a whole run", "providers, 2 keys each", "ms")
            .line("first seed", first)
            .line("nothing to do", quiet),
        "docs/performance-time.svg",
    );
    if !memory.is_empty() {
        let plot = Plot::new("Peak resident memory, nothing to do", "providers, 2 keys each", "MiB");
        page.plot(plot.line("seed", memory), "docs/performance-memory.svg");
    }
}
