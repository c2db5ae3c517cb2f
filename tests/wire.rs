//! The codec: golden frames, refusals, and what holds for any bytes and any message.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::path::Path;

use caligo_core::leakage::{Disclosure, LeakBits, Ledger, Permit, Policy};
use caligo_core::wire::{
    self, Agreement, Bits, Decoded, Disclosing, HEADER, Hello, Kind, MAX_BITS, MAX_BODY, MAX_FRAME,
    MAX_POSITIONS, Message, Plain, Positions, Request, Reveal, Span, Strategy, Syndrome, VERSION, Verify,
    WireError,
};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Strategy as _;

/// All that a message of any kind is made of.
#[derive(Clone, Debug)]
struct Parts {
    words: Vec<u64>,
    bits: usize,
    positions: Vec<u16>,
    long: [u64; 3],
    integer: [u32; 4],
    short: [u16; 3],
    byte: u8,
    ppm: u32,
    flag: bool,
}

impl Parts {
    /// Every number and bit as small as it gets, or as large.
    fn extreme(high: bool, bits: usize, positions: usize) -> Self {
        let long = if high { u64::MAX } else { 0 };
        Self {
            words: vec![long; bits.div_ceil(64)],
            bits,
            positions: vec![long as u16; positions],
            long: [long; 3],
            integer: [long as u32; 4],
            short: [long as u16; 3],
            byte: long as u8,
            ppm: if high { 500_000 } else { 0 },
            flag: high,
        }
    }

    /// Numbers and bits that show their order.
    fn telling(bits: usize, positions: usize) -> Self {
        let mut word = 0x0123_4567_89ab_cdef_u64;
        let words = (0..bits.div_ceil(64)).map(|_| {
            word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            word
        });
        Self {
            words: words.collect(),
            bits,
            positions: (0..positions).map(|i| i as u16 * 3 + 256).collect(),
            long: [0x0102_0304_0506_0708, 0x1112_1314_1516_1718, 0x2122_2324_2526_2728],
            integer: [0x3132_3334, 0x4142_4344, 0x5152_5354, 0x6162_6364],
            short: [0x7172, 0x8182, 0x9192],
            byte: 0xa1,
            ppm: 0x0001_b1b2,
            flag: true,
        }
    }

    fn four(&self) -> [u64; 4] {
        let [a, b, c] = self.long;
        [a, b, c, a ^ b]
    }

    /// A message of the kind in place `which` of [`KINDS`].
    fn message(&self, which: usize) -> Message<'_> {
        use Message::{Disclosing as D, Plain as P};
        let &Self { long, integer, short, byte, ppm, .. } = self;
        let bits = Bits::of(&self.words, self.bits).unwrap();
        let positions = Positions::of(&self.positions).unwrap();
        let [block, second, ..] = integer;
        let [errors, iterations, third] = short;
        let decoded = Decoded { block, errors, iterations };
        let reveal = Reveal { block, values: bits };
        let span = Span { part: self.flag.into(), offset: block, bits };
        let syndrome = Syndrome {
            block,
            punctured: errors,
            shortened: iterations,
            qber_ppm: ppm,
            request: third,
            syndrome: bits,
        };
        match KINDS[which] {
            Kind::Hello => P(Plain::Hello(Hello {
                strategy: [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric][usize::from(byte % 3)],
                policy: [Policy::Exact, Policy::SyndromeCap, Policy::Conservative][usize::from(byte / 3 % 3)],
                rounds: byte,
                target_fer_ppm: ppm,
                window: errors,
                key_bits: block,
                sample_bits: second,
                code: long[0],
                permutation: long[1],
                cap: long[2],
            })),
            Kind::Agreement => P(Plain::Agreement(Agreement {
                rounds: block,
                committed: self.flag,
                policy: [Policy::Exact, Policy::SyndromeCap, Policy::Conservative][usize::from(byte % 3)],
                code: long[0],
                terms: long[1],
            })),
            Kind::DetectionCommitment => P(Plain::DetectionCommitment { digest: self.four() }),
            Kind::CommitmentOpening => P(Plain::CommitmentOpening { nonce: self.four() }),
            Kind::DetectionReport => P(Plain::DetectionReport(span)),
            Kind::BasisReveal => P(Plain::BasisReveal(span)),
            Kind::TestSample => P(Plain::TestSample(span)),
            Kind::TestBases => P(Plain::TestBases(span)),
            Kind::IndexLists => P(Plain::IndexLists(span)),
            Kind::PairsWanted => P(Plain::PairsWanted(span)),
            Kind::TestOutcomes => D(Disclosing::TestOutcomes { offset: block, bits }),
            Kind::TestResult => P(Plain::TestResult { errors: block, effective_ppm: ppm }),
            Kind::Syndrome => D(Disclosing::Syndrome(syndrome)),
            Kind::SyndromeResponse => P(Plain::SyndromeResponse { converged: self.flag, decoded }),
            Kind::BlindInit => D(Disclosing::BlindInit(syndrome)),
            Kind::BlindReveal => D(Disclosing::BlindReveal(reveal)),
            Kind::BlindAck => P(Plain::BlindAck(decoded)),
            Kind::BlindNack => P(Plain::BlindNack { block, iterations }),
            Kind::SymmetricRequest => P(Plain::SymmetricRequest(Request { block, iterations, positions })),
            Kind::SymmetricReveal => D(Disclosing::SymmetricReveal(reveal)),
            Kind::Abandon => P(Plain::Abandon { block }),
            Kind::Verify => {
                D(Disclosing::Verify(Verify { from: block, to: second, key: long[0], tag: long[1] }))
            }
            Kind::VerifyResponse => P(Plain::VerifyResponse { matched: self.flag, effective_ppm: ppm }),
            Kind::Finish => P(Plain::Finish { blocks: block, leak: long[0] }),
            Kind::ToeplitzSeed => P(Plain::ToeplitzSeed { offset: block, total: second, bits }),
            Kind::Ack => P(Plain::Ack),
            _ => P(Plain::Abort { reason: byte }),
        }
    }
}

/// Kinds that are sent.
const KINDS: [Kind; 27] = [
    Kind::Hello,
    Kind::Agreement,
    Kind::DetectionCommitment,
    Kind::BasisReveal,
    Kind::CommitmentOpening,
    Kind::IndexLists,
    Kind::TestOutcomes,
    Kind::TestResult,
    Kind::DetectionReport,
    Kind::TestSample,
    Kind::TestBases,
    Kind::Syndrome,
    Kind::SyndromeResponse,
    Kind::BlindInit,
    Kind::BlindReveal,
    Kind::BlindAck,
    Kind::BlindNack,
    Kind::SymmetricRequest,
    Kind::SymmetricReveal,
    Kind::Abandon,
    Kind::Verify,
    Kind::VerifyResponse,
    Kind::Finish,
    Kind::PairsWanted,
    Kind::ToeplitzSeed,
    Kind::Ack,
    Kind::Abort,
];

/// What `message` discloses, on the books.
fn disclosure(message: &Disclosing<'_>) -> Disclosure {
    match message {
        Disclosing::TestOutcomes { bits, .. } => Disclosure::Sample { bits: bits.len() as u64 },
        Disclosing::Syndrome(s) | Disclosing::BlindInit(s) => {
            let bits = s.syndrome.len() as u64;
            Disclosure::Syndrome { bits, exact: bits / 2 }
        }
        Disclosing::BlindReveal(r) | Disclosing::SymmetricReveal(r) => {
            let (bits, payload) = (r.values.len() as u64, r.values.len() as u64 / 3);
            Disclosure::Reveal { padding: bits - payload, payload, exact: bits }
        }
        _ => Disclosure::Tag { bits: 64 },
    }
}

fn permit(disclosure: Disclosure) -> Permit {
    Ledger::new(Policy::Exact, LeakBits(u64::MAX)).charge(disclosure).unwrap().1
}

fn write(out: &mut [u8], sequence: u32, message: &Message<'_>) -> Result<usize, WireError> {
    match message {
        Message::Plain(message) => wire::encode(out, sequence, message),
        Message::Disclosing(message) => wire::disclose(out, sequence, permit(disclosure(message)), message),
    }
}

fn frame(sequence: u32, message: &Message<'_>) -> Vec<u8> {
    let mut out = vec![0xaa; MAX_FRAME];
    let length = write(&mut out, sequence, message).unwrap();
    out.truncate(length);
    out
}

/// With the length that `frame` has, after bytes were added or taken.
fn measured(mut frame: Vec<u8>) -> Vec<u8> {
    let body = (frame.len() - HEADER) as u32;
    frame[8..HEADER].copy_from_slice(&body.to_be_bytes());
    frame
}

/// Contents of the golden frames: small, boundaries, and the mother code's syndrome.
fn contents() -> [(&'static str, Parts); 5] {
    [
        ("low", Parts::extreme(false, 0, 0)),
        ("high", Parts::extreme(true, 1, 1)),
        ("telling", Parts::telling(13, 3)),
        ("bytes", Parts::telling(64, 2)),
        ("mother", Parts::telling(2048, 16)),
    ]
}

/// Name, sequence number to expect, bytes, and why they are refused.
fn refusals() -> Vec<(String, u32, Vec<u8>, WireError)> {
    const PPM: &str = "error rate: expected at most 500000 millionths";
    let parts = Parts::telling(13, 3);
    let of = |kind| frame(5, &parts.message(KINDS.iter().position(|k| *k == kind).unwrap()));
    let field = |what| WireError::Field { what };
    let mut table = Vec::new();
    let mut refuse = |name: &str, frame: Vec<u8>, error| table.push((name.to_owned(), 5, frame, error));
    // Frame of `kind` with `bytes` at `at` of its body.
    let put = |kind, at: usize, bytes: &[u8]| {
        let mut frame = of(kind);
        frame[HEADER + at..][..bytes.len()].copy_from_slice(bytes);
        frame
    };
    let head = |at: usize, bytes: &[u8]| {
        let mut frame = of(Kind::Finish);
        frame[at..][..bytes.len()].copy_from_slice(bytes);
        frame
    };

    refuse("empty", Vec::new(), WireError::Truncated);
    refuse("one_byte_of_another_version", vec![9], WireError::Version { found: 9 });
    for found in [0, VERSION + 1, 0xff] {
        refuse(&format!("version_{found}"), head(0, &[found]), WireError::Version { found });
    }
    for kind in [0x00, 0x03, 0x0f, 0x19, 0x1f, 0x2d, 0x42, 0xff] {
        refuse(&format!("kind_{kind:02x}"), head(1, &[kind]), WireError::Unknown { kind });
    }
    refuse("reserved_first", head(2, &[0x80]), field("reserved: expected 0"));
    refuse("reserved_second", head(3, &[1]), field("reserved: expected 0"));
    for (name, found) in [("replayed", 4), ("reordered", 6), ("far", u32::MAX)] {
        refuse(name, head(4, &found.to_be_bytes()), WireError::Sequence { expected: 5, found });
    }
    for (name, length) in [("body_past_the_most", MAX_BODY as u32 + 1), ("body_of_4_gib", u32::MAX)] {
        refuse(name, head(8, &length.to_be_bytes()), WireError::Oversized);
    }
    refuse("byte_missing", head(8, &13u32.to_be_bytes()), WireError::Truncated);
    refuse("byte_too_many", head(8, &11u32.to_be_bytes()), WireError::Oversized);
    let finish = of(Kind::Finish);
    refuse("body_too_short", measured(finish[..finish.len() - 1].to_vec()), WireError::Truncated);
    refuse("body_too_long", measured([&finish[..], &[0]].concat()), WireError::Oversized);

    let strategy = "strategy: expected 0 (baseline), 1 (blind) or 2 (symmetric)";
    refuse("strategy", put(Kind::Hello, 0, &[3]), field(strategy));
    let policy = "policy: expected 0 (exact), 1 (syndrome cap) or 2 (conservative)";
    refuse("policy", put(Kind::Hello, 1, &[3]), field(policy));
    refuse("agreed_policy", put(Kind::Agreement, 5, &[3]), field(policy));
    refuse("committed", put(Kind::Agreement, 4, &[2]), field("committed: expected 0 or 1"));
    let spans = [
        Kind::DetectionReport,
        Kind::BasisReveal,
        Kind::TestSample,
        Kind::TestBases,
        Kind::IndexLists,
        Kind::PairsWanted,
    ];
    for kind in spans {
        refuse(&format!("{kind:?}_part"), put(kind, 0, &[2]), field("part: expected 0 or 1"));
    }
    let over = 500_001u32.to_be_bytes();
    for (kind, at) in [
        (Kind::Hello, 3),
        (Kind::TestResult, 4),
        (Kind::Syndrome, 8),
        (Kind::BlindInit, 8),
        (Kind::VerifyResponse, 1),
    ] {
        refuse(&format!("{kind:?}_rate"), put(kind, at, &over), field(PPM));
    }
    refuse("converged", put(Kind::SyndromeResponse, 0, &[2]), field("converged: expected 0 or 1"));
    refuse("matched", put(Kind::VerifyResponse, 0, &[0xff]), field("matched: expected 0 or 1"));
    for (kind, at) in [
        (Kind::TestOutcomes, 4),
        (Kind::Syndrome, 14),
        (Kind::BlindReveal, 4),
        (Kind::SymmetricReveal, 4),
        (Kind::ToeplitzSeed, 8),
        (Kind::DetectionReport, 5),
        (Kind::IndexLists, 5),
    ] {
        let refused = [
            ("most", MAX_BITS as u32 + 1, field("bits: expected at most a body's")),
            ("4_gi", u32::MAX, field("bits: expected at most a body's")),
            ("more", 17, WireError::Truncated),
            // The last of 12 bits is then an unused one, and set.
            ("unused", 12, field("bits: expected unused ones to be zero")),
            ("fewer", 8, WireError::Oversized),
            ("none", 0, WireError::Oversized),
        ];
        for (name, count, error) in refused {
            let mut frame = put(kind, at, &count.to_be_bytes());
            frame[HEADER + at + 5] = 0x10;
            if count == 12 {
                assert_eq!(frame.len(), HEADER + at + 6);
            }
            refuse(&format!("{kind:?}_bits_{name}"), frame, error);
        }
    }
    let positions = |count: u16| put(Kind::SymmetricRequest, 6, &count.to_be_bytes());
    let most = field("positions: expected at most 4096");
    refuse("positions_most", positions(MAX_POSITIONS as u16 + 1), most);
    refuse("positions_65535", positions(u16::MAX), most);
    refuse("positions_more", positions(4), WireError::Truncated);
    refuse("positions_fewer", positions(2), WireError::Oversized);
    table
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

const GOLDEN_HEAD: &str = "\
# Written by: CALIGO_WRITE_GOLDEN=1 cargo test -p caligo-tests --test wire golden
# A line is name, sequence number to expect, frame in hex ('-' for no bytes); if it is refused, then why.
";

#[test]
fn golden_frames_are_what_they_were() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/wire.txt");
    let contents = contents();
    let mut messages = Vec::new();
    for (which, kind) in KINDS.iter().enumerate() {
        let mut before = Vec::new();
        for (name, parts) in &contents {
            let sequence = if *name == "high" { u32::MAX } else { messages.len() as u32 };
            let message = parts.message(which);
            // Kinds without bits have fewer contents.
            if !before.contains(&message) {
                before.push(message);
                messages.push((format!("{kind:?}_{name}"), sequence, message));
            }
        }
    }
    let refusals = refusals();
    let mut text = GOLDEN_HEAD.to_owned();
    for (name, sequence, message) in &messages {
        writeln!(text, "{name} {sequence} {}", hex(&frame(*sequence, message))).unwrap();
    }
    for (name, sequence, bytes, error) in &refusals {
        let bytes = if bytes.is_empty() { "-".to_owned() } else { hex(bytes) };
        writeln!(text, "{name} {sequence} {bytes} {error:?}").unwrap();
    }
    if std::env::var_os("CALIGO_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Vec<&str>> =
        golden.lines().skip(GOLDEN_HEAD.lines().count()).map(|l| l.splitn(4, ' ').collect()).collect();
    assert_eq!(lines.len(), messages.len() + refusals.len());
    let bytes = |line: &[&str]| if line[2] == "-" { Vec::new() } else { unhex(line[2]) };
    for (line, (name, sequence, message)) in lines.iter().zip(&messages) {
        assert_eq!((line[0], line[1]), (name.as_str(), sequence.to_string().as_str()));
        assert_eq!(wire::decode(&bytes(line), *sequence), Ok(*message), "{name}");
        assert_eq!(hex(&frame(*sequence, message)), line[2], "{name}");
    }
    for (line, (name, sequence, _, error)) in lines[messages.len()..].iter().zip(&refusals) {
        assert_eq!(line[0], name);
        assert_eq!(wire::decode(&bytes(line), *sequence), Err(*error), "{name}");
    }
    assert_eq!(golden, text);
}

#[test]
fn a_frame_cut_or_longer_is_refused_at_every_byte() {
    for (name, parts) in contents() {
        for which in 0..KINDS.len() {
            let message = parts.message(which);
            let whole = frame(7, &message);
            for end in 0..whole.len() {
                let cut = whole[..end].to_vec();
                assert_eq!(wire::decode(&cut, 7), Err(WireError::Truncated), "{message:?} to {end}");
                if end >= HEADER {
                    assert_eq!(wire::decode(&measured(cut), 7), Err(WireError::Truncated), "{name} to {end}");
                }
                let known = (end >= HEADER).then_some(whole.len());
                assert_eq!(wire::frame_length(&whole[..end]), Ok(known));
            }
            let longer = [&whole[..], &[0]].concat();
            assert_eq!(wire::decode(&longer, 7), Err(WireError::Oversized));
            assert_eq!(wire::decode(&measured(longer), 7), Err(WireError::Oversized));
        }
    }
}

#[test]
fn the_longest_messages_fit() {
    let parts = Parts::telling(MAX_BITS, MAX_POSITIONS);
    for which in 0..KINDS.len() {
        let message = parts.message(which);
        let frame = frame(0, &message);
        assert!(frame.len() <= MAX_FRAME);
        assert_eq!(wire::decode(&frame, 0), Ok(message));
    }
    let (words, positions) = (vec![0; MAX_BITS / 64 + 1], vec![0; MAX_POSITIONS + 1]);
    assert!(matches!(Bits::of(&words, MAX_BITS + 1), Err(WireError::Field { .. })));
    assert!(matches!(Bits::of(&words[..1], 65), Err(WireError::Field { .. })));
    assert!(matches!(Bits::of(&words, usize::MAX), Err(WireError::Field { .. })));
    assert!(matches!(Positions::of(&positions), Err(WireError::Field { .. })));
}

#[test]
fn too_little_room_leaves_no_frame() {
    for (name, parts) in contents() {
        for which in 0..KINDS.len() {
            let message = parts.message(which);
            let length = frame(3, &message).len();
            for room in 0..length {
                let mut out = vec![0; room];
                assert_eq!(write(&mut out, 3, &message), Err(WireError::NoRoom), "{name} {message:?}");
                assert!((0..=room).all(|end| wire::decode(&out[..end], 3).is_err()), "{name} {message:?}");
            }
            let mut out = vec![0xaa; length + 9];
            assert_eq!(write(&mut out, 3, &message), Ok(length));
            assert_eq!(out[length..], [0xaa; 9], "what follows is left alone");
        }
    }
}

#[test]
fn an_error_rate_out_of_range_is_not_sent() {
    let parts = Parts { ppm: 500_001, ..Parts::telling(8, 0) };
    for which in 0..KINDS.len() {
        let message = parts.message(which);
        let mut out = vec![0; MAX_FRAME];
        let rated = matches!(
            KINDS[which],
            Kind::Hello | Kind::TestResult | Kind::Syndrome | Kind::BlindInit | Kind::VerifyResponse
        );
        let sent = write(&mut out, 0, &message);
        assert_eq!(matches!(sent, Err(WireError::Field { .. })), rated, "{message:?}: {sent:?}");
        assert!(!rated || (0..=out.len()).all(|end| wire::decode(&out[..end], 0).is_err()));
    }
}

#[test]
fn a_permit_for_anything_else_is_refused_and_nothing_written() {
    let mut refused = 0;
    for bits in [0, 1, 63, 64, 65, 2048] {
        let parts = Parts::telling(bits, 0);
        for message in (0..KINDS.len()).map(|which| parts.message(which)) {
            let Message::Disclosing(message) = message else { continue };
            let own = disclosure(&message);
            for bits in [bits.saturating_sub(1), bits, bits + 1, 64].map(|bits| bits as u64) {
                for other in [
                    Disclosure::Syndrome { bits, exact: bits },
                    Disclosure::Reveal { padding: bits, payload: 0, exact: bits },
                    Disclosure::Reveal { padding: 0, payload: bits, exact: bits },
                    Disclosure::Tag { bits },
                    Disclosure::Sample { bits },
                ] {
                    let mut out = [0xaa; 2048];
                    let result = wire::disclose(&mut out, 0, permit(other), &message);
                    let same_kind = std::mem::discriminant(&other) == std::mem::discriminant(&own);
                    if same_kind && other.bits() == own.bits() {
                        assert!(result.is_ok());
                    } else {
                        assert_eq!(result, Err(WireError::Permit), "{message:?} by {other:?}");
                        assert_eq!(out, [0xaa; 2048]);
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(refused > 500, "{refused}");
}

fn parts() -> impl proptest::strategy::Strategy<Value = Parts> {
    let bits = proptest::prop_oneof![4 => 0..200usize, 1 => Just(2048usize), 1 => 0..=MAX_BITS];
    let words = bits.prop_flat_map(|bits| (Just(bits), vec(any::<u64>(), bits.div_ceil(64) + 1)));
    let positions = proptest::prop_oneof![4 => 0..40usize, 1 => 0..=MAX_POSITIONS]
        .prop_flat_map(|count| vec(any::<u16>(), count));
    let numbers = (any::<[u64; 3]>(), any::<[u32; 4]>(), any::<[u16; 3]>(), any::<u8>());
    (words, positions, numbers, 0..=500_000u32, any::<bool>()).prop_map(
        |((bits, words), positions, (long, integer, short, byte), ppm, flag)| Parts {
            words,
            bits,
            positions,
            long,
            integer,
            short,
            byte,
            ppm,
            flag,
        },
    )
}

/// Whatever is read of a message.
fn read(message: &Message<'_>) {
    let text = format!("{message:?}");
    assert!(!text.is_empty());
    match message {
        Message::Plain(Plain::SymmetricRequest(request)) => {
            assert_eq!(request.positions.iter().count(), request.positions.len());
        }
        Message::Plain(Plain::ToeplitzSeed { bits, .. } | Plain::DetectionReport(Span { bits, .. }))
        | Message::Disclosing(Disclosing::TestOutcomes { bits, .. }) => {
            let mut words = [u64::MAX; 3];
            bits.copy_to(&mut words);
            for i in 0..192 {
                assert_eq!(words[i / 64] >> (i % 64) & 1 == 1, bits.get(i));
            }
            assert!(!bits.get(bits.len()) && !bits.get(usize::MAX));
        }
        _ => {}
    }
}

/// Holds for any bytes.
fn check(bytes: &[u8], sequence: u32) {
    let length = wire::frame_length(bytes);
    if let Ok(message) = wire::decode(bytes, sequence) {
        read(&message);
        assert_eq!(length, Ok(Some(bytes.len())));
        assert_eq!(frame(sequence, &message), bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_encoded_decodes(parts in parts(), which in 0..KINDS.len(), sequence: u32, wrong: u32) {
        let message = parts.message(which);
        let bytes = frame(sequence, &message);
        prop_assert_eq!(wire::frame_length(&bytes), Ok(Some(bytes.len())));
        prop_assert_eq!(wire::decode(&bytes, sequence), Ok(message));
        prop_assert_eq!(message.kind(), KINDS[which]);
        check(&bytes, sequence);
        if wrong != sequence {
            let refused = WireError::Sequence { expected: wrong, found: sequence };
            prop_assert_eq!(wire::decode(&bytes, wrong), Err(refused));
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_canonical(
        bytes in vec(any::<u8>(), 0..200),
        kind in 0u8..0x48,
        sequence: u32,
    ) {
        check(&bytes, sequence);
        let header = [&[VERSION, kind, 0, 0], &sequence.to_be_bytes()[..], &[0; 4]].concat();
        check(&measured([header, bytes].concat()), sequence);
    }

    #[test]
    fn mutated_frames_are_refused_or_canonical(
        parts in parts(),
        which in 0..KINDS.len(),
        mutations in vec((any::<proptest::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
    ) {
        let mut bytes = frame(1, &parts.message(which));
        for (at, value, how) in mutations {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = value,
                1 => bytes[at] ^= 1 << (value % 8),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, value),
            }
            check(&bytes, 1);
            if bytes.len() >= HEADER {
                bytes = measured(bytes);
                check(&bytes, 1);
            } else {
                break;
            }
        }
    }

    #[test]
    fn bits_past_the_end_stay_here(parts in parts(), which in 0..KINDS.len(), garbage: u64) {
        let mut clean = parts.clone();
        for (w, word) in clean.words.iter_mut().enumerate() {
            let used = parts.bits.saturating_sub(w * 64);
            *word &= if used >= 64 { u64::MAX } else { (1 << used) - 1 };
        }
        let mut dirty = clean.clone();
        for (w, word) in dirty.words.iter_mut().enumerate() {
            let used = parts.bits.saturating_sub(w * 64);
            *word |= if used >= 64 { 0 } else { garbage << used };
        }
        prop_assert_eq!(clean.message(which), dirty.message(which));
        prop_assert!(frame(0, &clean.message(which)) == frame(0, &dirty.message(which)));
        let mut words = vec![garbage; parts.words.len()];
        Bits::of(&dirty.words, parts.bits).unwrap().copy_to(&mut words);
        prop_assert_eq!(&words, &clean.words);
    }
}
