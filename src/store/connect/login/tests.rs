use std::io::Cursor;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

fn asks(code: u8, data: &[u8]) -> Vec<u8> {
    message(b'R', &[&[0, 0, 0, code], data].concat())
}

/// Reads the bytes in pieces of each size; the result must be the same for all sizes.
async fn read(require: Option<&str>, bytes: &[u8]) -> Progress {
    let require = require.map(|text| RequireAuth::parse(text).unwrap());
    let mut all = Vec::new();
    for size in [1, 2, 7, bytes.len()] {
        let login = Login::new(&[], require.as_ref());
        let mut stream = login.around(Cursor::new(bytes.to_vec()));
        let mut piece = vec![0; size];
        while stream.read(&mut piece).await.is_ok_and(|count| count > 0) {}
        all.push(login.progress());
    }
    assert!(all.iter().all(|progress| *progress == all[0]), "{all:?}");
    all[0]
}

#[tokio::test]
async fn method_is_read_from_the_servers_question() {
    let ok = asks(0, b"");
    for (question, method) in [
        (asks(3, b""), AuthMethod::Password),
        (asks(5, b"salt"), AuthMethod::Md5),
        (asks(7, b""), AuthMethod::Gss),
        (asks(9, b""), AuthMethod::Sspi),
        (asks(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), AuthMethod::ScramSha256),
        (asks(10, b"OAUTHBEARER\0\0"), AuthMethod::OAuth),
    ] {
        let notice = message(b'N', &[b'x'; 1000]);
        let bytes = [&notice[..], &question, &asks(12, b"v=x"), &ok, &message(b'S', b"a\0b\0")].concat();
        let progress = read(None, &bytes).await;
        assert_eq!((progress.asked, progress.accepted, progress.refused), (Some(method), true, None));
        let allowed = read(Some(method.as_str()), &bytes).await;
        assert_eq!(allowed, progress);
        let refused = read(Some(&format!("!{}", method.as_str())), &bytes).await;
        assert_eq!((refused.asked, refused.accepted, refused.refused), (None, false, Some(method)));
    }
    let key = message(b'K', &[&4711_i32.to_be_bytes()[..], b"secret"].concat());
    let started = [&ok[..], &message(b'S', b"a\0b\0"), &key, &message(b'Z', b"I")].concat();
    assert_eq!(read(None, &started).await.backend, Some(4711));
    assert_eq!(read(None, &[&ok[..], &message(b'Z', b"I"), &key].concat()).await.backend, None);
    let progress = read(Some("scram-sha-256"), &ok).await;
    assert_eq!((progress.accepted, progress.refused), (false, Some(AuthMethod::None)));
    assert!(read(Some("none"), &ok).await.accepted);
}

#[tokio::test]
async fn parameters_are_added_to_the_startup_packet_alone() {
    let mut packet = vec![0, 0, 0, 0, 0, 3, 0, 0];
    packet.extend(b"user\0u\0\0");
    packet[3] = u8::try_from(packet.len()).unwrap();
    let (ours, mut theirs) = tokio::io::duplex(1000);
    let login = Login::new(&[("timezone".to_owned(), "UTC".to_owned())], None);
    let mut stream = login.around(ours);
    let ssl_request = [&8u32.to_be_bytes()[..], &SSL_REQUEST.to_be_bytes()].concat();
    stream.write_all(&ssl_request).await.unwrap();
    stream.write_all(&packet).await.unwrap();
    stream.write_all(&packet).await.unwrap();
    let mut expected = [&ssl_request[..], &packet[..packet.len() - 1], b"timezone\0UTC\0\0", &packet].concat();
    expected[11] = u8::try_from(packet.len() + 13).unwrap();
    let mut sent = vec![0; expected.len()];
    theirs.read_exact(&mut sent).await.unwrap();
    assert_eq!(sent, expected);
}
