use std::time::Duration;

use super::*;

const SMALL: Bounds = Bounds { login: 1000, answer: 1000, message: 500, unasked: 600, unasked_within: None };

fn message(tag: u8, body: usize) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend((u32::try_from(body).unwrap() + 4).to_be_bytes());
    bytes.resize(5 + body, 0);
    bytes
}

/// The verdict of the meter for the whole input and for single bytes, which must be the same.
fn verdict(bounds: Bounds, asks_for_tls: bool, bytes: &[u8]) -> Option<Excess> {
    let verdicts: Vec<Option<Excess>> = [bytes.len().max(1), 1, 3]
        .into_iter()
        .map(|size| {
            let meter = Meter::new(bounds, asks_for_tls);
            let _ = bytes.chunks(size).try_for_each(|part| meter.check(|state| state.receive(part)));
            meter.excess()
        })
        .collect();
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{verdicts:?}");
    verdicts[0]
}

fn ready_and(messages: &[Vec<u8>]) -> Vec<u8> {
    [message(b'R', 4), message(b'Z', 1)].into_iter().chain(messages.iter().cloned()).flatten().collect()
}

#[test]
fn login_is_bounded_with_any_messages() {
    assert_eq!(verdict(SMALL, false, &message(b'R', 995)), None);
    assert_eq!(verdict(SMALL, false, &message(b'R', 996)), Some(Excess::Login));
    // Holding a small message costs as much as holding a large one.
    for tag in [b'N', b'S', b'E'] {
        assert_eq!(verdict(SMALL, false, &message(tag, 1).repeat(7)), None);
        assert_eq!(verdict(SMALL, false, &message(tag, 1).repeat(8)), Some(Excess::Login));
    }
}

#[test]
fn huge_message_is_refused_by_its_header() {
    let mut header = vec![b'D'];
    header.extend(2_000_000_000u32.to_be_bytes());
    assert_eq!(verdict(SMALL, false, &ready_and(&[header.clone()])), Some(Excess::Answer));
    assert_eq!(verdict(SMALL, false, &ready_and(&[message(b'D', 496)])), Some(Excess::Message));
    header[0] = b'E';
    assert_eq!(verdict(SMALL, false, &header), Some(Excess::Login));
}

#[test]
fn answer_is_counted_from_the_first_statement_under_way() {
    let meter = Meter::new(SMALL, false);
    let receive = |bytes: &[u8]| meter.check(|state| state.receive(bytes)).map_err(|_| meter.excess().unwrap());
    receive(&ready_and(&[])).unwrap();
    let rows = message(b'D', 395);
    for _ in 0..3 {
        let first = meter.statement();
        receive(&rows).unwrap();
        let second = meter.statement();
        receive(&rows).unwrap();
        drop((first, second));
    }
    let _statement = meter.statement();
    receive(&rows).unwrap();
    let _together = meter.statement();
    receive(&rows).unwrap();
    assert_eq!(receive(&rows), Err(Excess::Answer));
}

#[test]
fn unasked_messages_count_over_the_session() {
    for (tag, body, most) in [(b'N', 1, 4), (b'S', 1, 4), (b'N', 295, 2), (b'A', 25, 20)] {
        let messages = |count| ready_and(&vec![message(tag, body); count]);
        assert_eq!(verdict(SMALL, false, &messages(most)), None, "{}", tag as char);
        assert_eq!(verdict(SMALL, false, &messages(most + 1)), Some(Excess::Unasked), "{}", tag as char);
    }
    let meter = Meter::new(SMALL, false);
    meter.check(|state| state.receive(&ready_and(&[]))).unwrap();
    for _ in 0..4 {
        let _statement = meter.statement();
        meter.check(|state| state.receive(&message(b'N', 1))).unwrap();
    }
    assert!(meter.check(|state| state.receive(&message(b'N', 1))).is_err(), "a statement does not forgive it");
}

#[test]
fn unasked_messages_expire_after_their_time() {
    let meter = Meter::new(Bounds { unasked_within: Some(Duration::ZERO), ..SMALL }, false);
    meter.check(|state| state.receive(&ready_and(&vec![message(b'A', 495); 100]))).unwrap();
    let bounds = Bounds { unasked_within: Some(Duration::from_secs(3600)), ..SMALL };
    assert_eq!(verdict(bounds, false, &ready_and(&vec![message(b'A', 495); 2])), Some(Excess::Unasked));
}

#[test]
fn other_protocols_are_recognized_by_their_first_bytes() {
    assert_eq!(verdict(SMALL, false, b"HTTP/1.1 400 Bad Request\r\n"), Some(Excess::Http));
    assert_eq!(verdict(SMALL, true, b"HTTP/1.1 400 Bad Request\r\n"), Some(Excess::Http));
    for asks_for_tls in [false, true] {
        assert_eq!(verdict(SMALL, asks_for_tls, b"220 mail.example ESMTP\r\n"), Some(Excess::NotPostgres));
    }
    assert_eq!(verdict(SMALL, true, b"S"), None);
    let plain = [&b"N"[..], &ready_and(&[])].concat();
    assert_eq!(verdict(SMALL, true, &plain), None);
}

#[test]
fn named_statement_means_a_type_look_up() {
    let parse = |name: &[u8]| {
        let body = [name, b"\0select 1\0\0\0"].concat();
        let mut bytes = message(b'P', body.len());
        bytes.truncate(5);
        [bytes, body].concat()
    };
    for size in [1, 4, 1000] {
        let meter = Meter::new(SMALL, false);
        // Messages before the login have no types.
        meter.check(|state| state.send(b"\0\0\0\x08\x04\xd2\x16\x2f")).unwrap();
        meter.check(|state| state.receive(&ready_and(&[]))).unwrap();
        let ours = [message(b'Q', 20), parse(b""), message(b'B', 9), message(b'S', 0), parse(b"")].concat();
        ours.chunks(size).try_for_each(|part| meter.check(|state| state.send(part))).unwrap();
        let asked = parse(b"s0");
        assert!(asked.chunks(size).try_for_each(|part| meter.check(|state| state.send(part))).is_err());
        assert_eq!(meter.excess(), Some(Excess::OtherType));
    }
}
