//! A frame's bytes in; a panic if the codec reads what it would not write.

use caligo_core::leakage::{Disclosure, LeakBits, Ledger, Policy};
use caligo_core::wire::{self, Disclosing, HEADER, MAX_FRAME, Message, Plain, WireError};

/// What decodes must encode to the same bytes, and at no other sequence number.
pub fn check(bytes: &[u8]) {
    let number = bytes.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
    let length = wire::frame_length(bytes);
    assert!(bytes.len() >= HEADER || !matches!(length, Ok(Some(_))));
    match wire::decode(bytes, number) {
        Ok(message) => {
            assert_eq!(length, Ok(Some(bytes.len())));
            read(&message);
            let mut out = vec![0xaa; MAX_FRAME];
            assert_eq!(write(&mut out, number, &message), Ok(bytes.len()));
            assert_eq!(&out[..bytes.len()], bytes);
            let expected = number.wrapping_add(1);
            assert_eq!(wire::decode(bytes, expected), Err(WireError::Sequence { expected, found: number }));
        }
        Err(error) => assert!(!error.to_string().is_empty() && !matches!(error, WireError::Sequence { .. })),
    }
}

/// Every accessor.
fn read(message: &Message<'_>) {
    assert!(!format!("{message:?}").is_empty());
    match message {
        Message::Plain(Plain::SymmetricRequest(request)) => {
            assert_eq!(request.positions.iter().count(), request.positions.len());
        }
        Message::Plain(Plain::ToeplitzSeed { bits, .. })
        | Message::Disclosing(Disclosing::TestOutcomes { bits, .. }) => {
            let mut words = vec![u64::MAX; bits.len() / 64 + 2];
            bits.copy_to(&mut words);
            for i in 0..words.len() * 64 {
                assert_eq!(words[i / 64] >> (i % 64) & 1 == 1, bits.get(i));
            }
        }
        _ => {}
    }
}

fn write(out: &mut [u8], sequence: u32, message: &Message<'_>) -> Result<usize, WireError> {
    let message = match message {
        Message::Plain(message) => return wire::encode(out, sequence, message),
        Message::Disclosing(message) => message,
    };
    let disclosure = match message {
        Disclosing::TestOutcomes { bits, .. } => Disclosure::Sample { bits: bits.len() as u64 },
        Disclosing::Syndrome(s) | Disclosing::BlindInit(s) => {
            Disclosure::Syndrome { bits: s.syndrome.len() as u64, exact: 0 }
        }
        Disclosing::BlindReveal(r) | Disclosing::SymmetricReveal(r) => {
            Disclosure::Reveal { padding: r.values.len() as u64, payload: 0, exact: 0 }
        }
        _ => Disclosure::Tag { bits: 64 },
    };
    let charged = Ledger::new(Policy::Exact, LeakBits(u64::MAX)).charge(disclosure);
    wire::disclose(out, sequence, charged.expect("no budget is too small here").1, message)
}
