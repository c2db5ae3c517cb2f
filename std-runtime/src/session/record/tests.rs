use std::path::PathBuf;

use super::super::psk::tests::{bytes, file};
use super::*;

const ALICE: [u64; 2] = [0x0102_0304_0506_0708, 0x1112_1314_1516_1718];
const BOB: [u64; 2] = [0xa1a2_a3a4_a5a6_a7a8, 0xb1b2_b3b4_b5b6_b7b8];

type Ends = (Sealer, Opener);

/// Both ends of the session of these nonces: Alice's, Bob's.
fn session(alice: [u64; 2], bob: [u64; 2]) -> (Ends, Ends) {
    let make = || (Greeting { role: Role::Alice, nonce: alice }, Greeting { role: Role::Bob, nonce: bob });
    let ((a, b), (a2, b2)) = (make(), make());
    (a.meet(&b.to_bytes()).unwrap(), b2.meet(&a2.to_bytes()).unwrap())
}

/// Bob's receiving end of the same session, as often as a test needs it.
fn receiver() -> Opener {
    session(ALICE, BOB).1.1
}

fn keys() -> (tempfile::TempDir, PathBuf, PreShared, PreShared) {
    let (dir, path) = file(16 * 1000);
    let (a, b) = (PreShared::open(&path, Role::Alice).unwrap(), PreShared::open(&path, Role::Bob).unwrap());
    (dir, path, a, b)
}

/// Records of Alice with these bodies.
fn sealed(psk: &mut PreShared, bodies: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut sealer = session(ALICE, BOB).0.0;
    bodies
        .iter()
        .map(|body| {
            let mut out = Vec::new();
            sealer.seal(psk, body, &mut out).unwrap();
            out
        })
        .collect()
}

/// What comes out of a fresh receiver: the bodies, and how it ended.
fn received(psk: &PreShared, stream: &[u8]) -> (Vec<Vec<u8>>, Result<(), RecordError>) {
    let mut opener = receiver();
    let mut bodies = Vec::new();
    opener.push(stream);
    loop {
        match opener.next(psk) {
            Ok(Some(body)) => bodies.push(body),
            Ok(None) => return (bodies, opener.finish()),
            Err(error) => {
                let again = opener.next(psk);
                assert!(matches!(again, Err(RecordError::Failed { .. })), "stays failed");
                // Nor does a good record heal it.
                opener.push(stream);
                assert!(matches!(opener.next(psk), Err(RecordError::Failed { .. })));
                assert!(opener.held.is_empty());
                assert!(matches!(opener.finish(), Err(RecordError::Failed { .. })));
                return (bodies, Err(error));
            }
        }
    }
}

#[test]
fn records_round_trip_in_pieces_of_any_size() {
    let (_dir, _path, mut a, mut b) = keys();
    let (alice, bob) = (Greeting::new(Role::Alice).unwrap(), Greeting::new(Role::Bob).unwrap());
    let (for_alice, for_bob) = (bob.to_bytes(), alice.to_bytes());
    assert_ne!(for_alice[9..], for_bob[9..]);
    let (mut a_seals, mut a_opens) = alice.meet(&for_alice).unwrap();
    let (mut b_seals, mut b_opens) = bob.meet(&for_bob).unwrap();
    let bodies: Vec<Vec<u8>> = [0, 1, 7, 8, 9, 63, 64, 65, 1000].into_iter().map(bytes).collect();
    for piece in [1, 2, 3, 12, 13, 19, 20, 21, 100, 100_000] {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        for body in &bodies {
            a_seals.seal(&mut a, body, &mut there).unwrap();
            b_seals.seal(&mut b, body, &mut back).unwrap();
        }
        assert_ne!(there, back);
        for (opener, psk, stream) in [(&mut b_opens, &b, &there), (&mut a_opens, &a, &back)] {
            let mut found = Vec::new();
            for part in stream.chunks(piece) {
                opener.push(part);
                while let Some(body) = opener.next(psk).unwrap() {
                    found.push(body);
                }
            }
            assert_eq!(found, bodies, "pieces of {piece}");
        }
    }
    a_opens.finish().unwrap();
    b_opens.finish().unwrap();
}

#[test]
fn the_longest_body_passes_and_a_longer_one_is_refused_at_once() {
    let (_dir, _path, mut a, b) = keys();
    let body = bytes(MAX_BODY);
    let record = &sealed(&mut a, &[&body])[0];
    assert_eq!(record.len(), MAX_RECORD);
    assert_eq!(received(&b, record).0, [body]);

    let mut sealer = session(ALICE, BOB).0.0;
    let (used, mut out) = (a.used(), Vec::new());
    let error = sealer.seal(&mut a, &vec![0; MAX_BODY + 1], &mut out).unwrap_err();
    assert!(matches!(error, RecordError::Oversize { sequence: 0, found: 1_048_577 }));
    assert_eq!((a.used(), out.len()), (used, 0), "a refusal costs no pad");

    for length in [MAX_BODY as u32 + 1, u32::MAX] {
        let (bodies, end) = received(&b, &length.to_be_bytes());
        assert!(bodies.is_empty());
        assert!(matches!(end, Err(RecordError::Oversize { found, .. }) if found == u64::from(length)));
    }
}

#[test]
fn the_tag_is_the_documented_polynomial() {
    let (_dir, path, mut a, _b) = keys();
    let record = &sealed(&mut a, &[b"", b"123456789"])[1];
    let key = std::fs::read(path).unwrap();
    let word = |at: &[u8]| u64::from_be_bytes(at[..8].try_into().unwrap());
    let mut message = ALICE.to_vec();
    message.extend(BOB);
    message.extend([word(b"CALIGO\x01A"), 1, 1, 9, word(b"12345678"), word(b"9\0\0\0\0\0\0\0")]);
    let tag = verify::tag(&message, 8 * 64 + 72, word(&key)) ^ word(&key[16..]);
    let expected =
        [&[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1], b"123456789".as_slice(), &tag.to_be_bytes()].concat();
    assert_eq!(*record, expected);
}

#[test]
fn every_flipped_bit_is_refused() {
    let (_dir, _path, mut a, b) = keys();
    for body in [&b""[..], b"reconcile", &bytes(64)] {
        let records = sealed(&mut a, &[body, b"next"]);
        let stream = records.concat();
        assert_eq!(received(&b, &stream).0.len(), 2);
        for bit in 0..records[0].len() * 8 {
            let mut bad = stream.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let (bodies, end) = received(&b, &bad);
            assert!(bodies.is_empty() && end.is_err(), "bit {bit} of {} bytes", records[0].len());
        }
    }
}

#[test]
fn moved_records_are_refused() {
    let (_dir, _path, mut a, b) = keys();
    let r = sealed(&mut a, &[b"zero", b"one", b"two"]);
    // Which records arrive, how many pass, whether it is the pad that gives them away.
    for (order, good, by_pad) in [
        (&[0, 0][..], 1, true),
        (&[0, 1, 0], 2, true),
        (&[0, 1, 1], 2, true),
        (&[1, 0], 0, false),
        (&[2], 0, false),
        (&[0, 2], 1, false),
        (&[0, 2, 1], 1, false),
    ] {
        let stream: Vec<u8> = order.iter().flat_map(|&i| r[i].clone()).collect();
        let (bodies, end) = received(&b, &stream);
        assert_eq!(bodies.len(), good, "{order:?}");
        match end.unwrap_err() {
            RecordError::PadOrder { sequence, least, found } => {
                assert!(by_pad && sequence == good as u64 && found < least, "{order:?}");
            }
            RecordError::Tag { sequence } => assert!(!by_pad && sequence == good as u64, "{order:?}"),
            other => panic!("{order:?}: {other}"),
        }
    }
}

#[test]
fn a_cut_stream_is_refused() {
    let (_dir, _path, mut a, b) = keys();
    let r = sealed(&mut a, &[b"zero", b"one"]);
    let stream = r.concat();
    for end in 0..stream.len() {
        let (bodies, result) = received(&b, &stream[..end]);
        let whole = usize::from(end >= r[0].len());
        assert_eq!(bodies.len(), whole, "{end} bytes");
        let left = end - whole * r[0].len();
        match result {
            Ok(()) => assert_eq!(left, 0, "{end} bytes"),
            Err(RecordError::Truncated { sequence, held }) => {
                assert_eq!((sequence, held), (whole as u64, left));
            }
            Err(other) => panic!("{end} bytes: {other}"),
        }
    }
    // Bytes lost inside the stream shift all that follows.
    for at in 0..r[0].len() {
        let mut bad = stream.clone();
        bad.remove(at);
        let (bodies, end) = received(&b, &bad);
        assert!(bodies.is_empty() && end.is_err(), "byte {at}");
    }
}

#[test]
fn a_record_means_nothing_in_another_session() {
    let (_dir, _path, mut a, b) = keys();
    let record = &sealed(&mut a, &[b"body"])[0];
    for bit in 0..128 {
        let flip = |mut nonce: [u64; 2]| {
            nonce[bit / 64] ^= 1 << (bit % 64);
            nonce
        };
        for (alice, bob) in [(flip(ALICE), BOB), (ALICE, flip(BOB)), (BOB, ALICE)] {
            let mut opener = session(alice, bob).1.1;
            opener.push(record);
            assert!(matches!(opener.next(&b), Err(RecordError::Tag { sequence: 0 })), "bit {bit}");
        }
    }
}

#[test]
fn own_records_do_not_come_back() {
    let (_dir, _path, mut a, _b) = keys();
    let honest = session(ALICE, BOB).0;
    // Alice's own greeting came back with the role changed, so that both nonces are hers.
    let greeting = Greeting { role: Role::Alice, nonce: ALICE };
    let mut back = greeting.to_bytes();
    back[8] = b'B';
    let mirrored = greeting.meet(&back).unwrap();
    for (mut seals, mut opens) in [honest, mirrored] {
        let mut out = Vec::new();
        seals.seal(&mut a, b"body", &mut out).unwrap();
        opens.push(&out);
        assert!(matches!(opens.next(&a), Err(RecordError::Tag { sequence: 0 })));
    }
    // The keys differ, but so does what is hashed.
    let key = a.send_key();
    let [of_alice, of_bob] = [Role::Alice, Role::Bob].map(|r| hash([0; 4], r, 0, 0, b"body", key));
    assert_ne!(of_alice, of_bob);
}

#[test]
fn other_greetings_are_refused() {
    let greet = || Greeting { role: Role::Alice, nonce: ALICE };
    let peer = Greeting { role: Role::Bob, nonce: BOB }.to_bytes();
    assert_eq!(peer[..9], *b"CALIGO\0\x01B");
    assert_eq!(peer[9..17], BOB[0].to_be_bytes());
    let with = |at: usize, byte: u8| {
        let mut bytes = peer;
        bytes[at] = byte;
        greet().meet(&bytes)
    };
    for at in 0..7 {
        let error = with(at, b'?').unwrap_err();
        assert!(matches!(error, RecordError::Magic { .. }));
        assert!(error.to_string().contains(r#"expected magic "CALIGO\x00", found ""#), "{error}");
    }
    assert!(matches!(with(7, 2), Err(RecordError::Version { found: 2 })));
    assert!(matches!(with(8, b'a'), Err(RecordError::UnknownRole { found: b'a' })));
    let same = with(8, b'A').unwrap_err();
    assert_eq!(same.to_string(), "greeting: expected the peer to be bob, found alice as on this side");
    assert!(matches!(same, RecordError::SameRole { role: Role::Alice }));
}

#[test]
fn pads_of_others_are_refused() {
    let (_dir, _path, mut a, b) = keys();
    let ((mut seals, _), (_, mut opens)) = session(ALICE, BOB);
    let mut b2 = b;
    assert!(matches!(seals.seal(&mut b2, b"", &mut Vec::new()), Err(RecordError::PskRole { .. })));
    assert_eq!(b2.used(), 0);
    let mut record = sealed(&mut a, &[b"body"]).remove(0);
    record[4..12].copy_from_slice(&999u64.to_be_bytes());
    // Refused by its header alone.
    opens.push(&record[..12]);
    let error = opens.next(&b2).unwrap_err();
    assert!(matches!(error, RecordError::Psk(PskError::NoPad { number: 999, pads: 999, .. })), "{error}");
    let mut opens = receiver();
    assert!(matches!(opens.next(&a), Err(RecordError::PskRole { .. })));

    // Another pre-shared key of the same length.
    let (_dir, other) = file(16 * 1000);
    let mut content = std::fs::read(&other).unwrap();
    content[0] ^= 1;
    std::fs::write(&other, content).unwrap();
    let other = PreShared::open(&other, Role::Bob).unwrap();
    let record = &sealed(&mut a, &[b"body"])[0];
    assert!(matches!(received(&other, record).1, Err(RecordError::Tag { sequence: 0 })));
    assert_eq!(received(&b2, record).0, [b"body"]);
}

#[test]
fn sealing_ends_with_the_pads() {
    let (_dir, path) = file(64);
    let mut a = PreShared::open(&path, Role::Alice).unwrap();
    let mut sealer = session(ALICE, BOB).0.0;
    let mut out = Vec::new();
    for _ in 0..3 {
        sealer.seal(&mut a, b"body", &mut out).unwrap();
    }
    let before = out.clone();
    let error = sealer.seal(&mut a, b"body", &mut out).unwrap_err();
    assert!(matches!(error, RecordError::Psk(PskError::Exhausted { pads: 3, .. })));
    assert_eq!(out, before);
}

#[test]
fn gaps_between_pads_are_allowed() {
    let (_dir, path, mut a, b) = keys();
    let mut sealer = session(ALICE, BOB).0.0;
    let mut out = Vec::new();
    sealer.seal(&mut a, b"zero", &mut out).unwrap();
    for _ in 0..5 {
        a.next_send_pad().unwrap();
    }
    drop(a);
    let mut a = PreShared::open(&path, Role::Alice).unwrap();
    sealer.seal(&mut a, b"one", &mut out).unwrap();
    assert_eq!(received(&b, &out).0, [&b"zero"[..], b"one"]);
}

#[test]
fn the_buffer_is_bounded() {
    let (_dir, _path, mut a, b) = keys();
    let record = &sealed(&mut a, &[&bytes(MAX_BODY)])[0];
    let mut opener = receiver();
    for part in record.chunks(4096) {
        opener.push(part);
    }
    opener.push(&[]);
    assert_eq!(opener.held.len(), MAX_RECORD);
    opener.push(&[0]);
    assert_eq!(opener.held.len(), MAX_RECORD);
    let error = opener.next(&b).unwrap_err();
    assert!(matches!(error, RecordError::Undrained { sequence: 0, held: MAX_RECORD }), "{error}");
    assert!(matches!(opener.next(&b), Err(RecordError::Failed { sequence: 0 })));
}

#[test]
fn the_forgery_bound_counts_all_blocks() {
    // Eight words before the body, its length after it.
    assert_eq!(forgery_log2(0), 9f64.log2() - 64.0);
    assert_eq!(forgery_log2(1), 10f64.log2() - 64.0);
    assert_eq!(forgery_log2(8 * 1015), 1024f64.log2() - 64.0);
    assert!((forgery_log2(MAX_BODY) + 47.0).abs() < 1e-3);
}
