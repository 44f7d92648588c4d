//! The proxy and PgBouncer of tests/support: other tests rely on what they count and break.

use crate::support::proxy::Messages;
use crate::support::{Database, Fault, PgBouncer, Proxy, Server, Variant};
use postgres::{Client, NoTls};
use std::time::{Duration, Instant};

fn connect(database: &Database, port: u16) -> Client {
    Client::connect(&database.url_at(port, "postgres", "postgres"), NoTls).unwrap()
}

#[test]
fn round_trips_are_counted_after_authentication() {
    // With passwords there are round trips before the first one that counts.
    let server = Server::start(crate::support::Options::new().scram());
    let database = server.database(Variant::Empty);
    let proxy = Proxy::new().start(server.port());
    drop(connect(&database, proxy.port()));
    let mut client = connect(&database, proxy.port());
    client.simple_query("select 1").unwrap();
    // One round trip, answered in two pieces with time between them.
    client.simple_query("select 1; select pg_sleep(0.1); select repeat('x', 200000)").unwrap();
    drop(client);
    let mut client = connect(&database, proxy.port());
    // A named statement is prepared first: two round trips.
    client.query("select 1::int4", &[]).unwrap();
    assert_eq!(proxy.round_trips(), [0, 2, 2]);
    assert_eq!(proxy.connections(), 3);
}

#[test]
fn delay_applies_in_both_directions() {
    let server = Server::shared();
    let database = server.database(Variant::Empty);
    let proxy = Proxy::new().delay(Duration::from_millis(100)).start(server.port());
    let mut client = connect(&database, proxy.port());
    let start = Instant::now();
    client.simple_query("select 1").unwrap();
    assert!((200..1500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

#[test]
fn fault_comes_once_before_or_after_the_server() {
    let server = Server::shared();
    for (fault, rows) in [(Fault::DropBefore("COMMIT"), 0), (Fault::DropAfter("COMMIT"), 1)] {
        let database = server.database(Variant::Empty);
        database.execute("create table t (n int)");
        let proxy = Proxy::new().fault(fault).start(server.port());
        let write = |client: &mut Client| {
            client.simple_query("begin; insert into t values (1)").unwrap();
            client.simple_query("commit")
        };
        let lost = write(&mut connect(&database, proxy.port()));
        assert!(lost.unwrap_err().is_closed());
        assert_eq!(database.json("select count(*) from t"), rows);
        assert!(write(&mut connect(&database, proxy.port())).is_ok());
    }
}

#[test]
fn stalled_connection_stays_open_until_cut() {
    let server = Server::shared();
    let database = server.database(Variant::Empty);
    let proxy = Proxy::new().fault(Fault::Stall("select 1")).start(server.port());
    let mut client = connect(&database, proxy.port());
    let waiting = std::thread::spawn(move || client.simple_query("select 1").is_err());
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished());
    proxy.cut();
    assert!(waiting.join().unwrap());
}

#[test]
fn pgbouncer_shares_server_connections_between_transactions() {
    let server = Server::shared();
    let database = server.database(Variant::Empty);
    let Some(bouncer) = PgBouncer::start(server, &[("postgres", "postgres")]) else { return };
    let mut clients: Vec<Client> = (0..5).map(|_| connect(&database, bouncer.port())).collect();
    for client in &mut clients {
        client.simple_query("select 1").unwrap();
    }
    let backends =
        format!("select count(*) from pg_stat_activity where datname = '{}' and usename = 'postgres'", database.name());
    assert!(database.json(&backends).as_u64().unwrap() <= 2);
    let options = database.url_at(bouncer.port(), "postgres", "postgres") + "&options=-c%20lock_timeout%3D1s";
    assert!(Client::connect(&options, NoTls).is_err(), "this PgBouncer ignores startup options");
}

#[test]
fn ready_message_is_found_in_split_packets() {
    // 'Z' also occurs outside of message types: in a parameter's name and value.
    let stream = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x0aZZ\0ZZ\0Z\0\0\0\x05I";
    for size in 1..stream.len() {
        let mut messages = Messages::default();
        let found: Vec<usize> = stream
            .chunks(size)
            .enumerate()
            .filter(|(_, chunk)| messages.ready_for_query(chunk))
            .map(|(number, _)| number)
            .collect();
        // The message's header is complete with the byte before the last.
        assert_eq!(found, [(stream.len() - 2) / size], "in pieces of {size}");
    }
}
