//! What Bob's frames tell about his choice: nothing, with honest syndromes and with malicious ones. Where errors are
//! corrected blindly, nothing with honest ones, and all with malicious ones.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::bits;
use caligo_core::wire::{self, Disclosing, HEADER, Kind, Message, Plain, Span};
use caligo_runtime::channel;
use caligo_tests::transfer::{BLIND_ROUNDS, Case, Ended, From, Ground, common, faithful, kind, message};
use rand_core::Rng;

const SMALL: u64 = 20_000;

/// A syndrome that no error rate explains.
fn spoil(frame: &mut [u8]) {
    // What comes before its bits.
    let mut noise = channel::stream(1, 0);
    frame[HEADER + 18..].iter_mut().for_each(|byte| *byte ^= noise.next_u64() as u8);
}

/// Alice, as she may: syndromes of one set are wrong; where errors are corrected blindly, of its first block alone.
fn malicious(set: u8) -> impl FnMut(From, usize, Vec<u8>) -> Vec<Vec<u8>> {
    move |from, _, mut frame| {
        let block = frame.get(HEADER..HEADER + 4).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
        if let (From::Alice, Some(block)) = (from, block) {
            match kind(&frame) {
                Kind::Syndrome if block % 2 == u32::from(set) => spoil(&mut frame),
                Kind::BlindInit if block == u32::from(set) => spoil(&mut frame),
                _ => {}
            }
        }
        vec![frame]
    }
}

#[test]
fn syndromes_change_nothing_that_bob_sends() {
    let mut ground = Ground::default();
    for seed in 0..20 {
        for choice in [false, true] {
            let case = Case::good(SMALL, choice, seed);
            let honest = ground.run(&case, &mut faithful);
            case.check(&honest);
            for set in [0, 1] {
                let attacked = ground.run(&case, &mut malicious(set));
                assert_eq!((&attacked.sent[1], &attacked.times[1]), (&honest.sent[1], &honest.times[1]));
                let believes = case.check(&attacked);
                assert!(!believes || u8::from(choice) != set);
            }
        }
    }
}

/// Numbers that Alice can compute from what Bob sent and what she knows.
fn features(ended: &Ended) -> Vec<f64> {
    let [alice, _] = &ended.detectors;
    let words = alice.clicked.len();
    let mut strings = [const { Vec::new() }; 3];
    let mut answers = vec![0.0; 2];
    let mut asked = vec![0.0; usize::from(BLIND_ROUNDS)];
    let mut round = 0;
    for frame in &ended.sent[1] {
        let (which, bits) = match message(frame) {
            Message::Plain(Plain::IndexLists(Span { part, bits, .. })) => (usize::from(part), bits),
            Message::Plain(Plain::DetectionReport(Span { bits, .. })) => (2, bits),
            Message::Plain(Plain::TestBases(Span { bits, .. })) => {
                answers[0] += (0..bits.len()).filter(|&i| bits.get(i)).count() as f64;
                continue;
            }
            Message::Disclosing(Disclosing::TestOutcomes { bits, .. }) => {
                answers[1] += (0..bits.len()).filter(|&i| bits.get(i)).count() as f64;
                continue;
            }
            Message::Plain(Plain::PairsWanted(Span { bits, .. })) => {
                asked[round] = (0..bits.len()).filter(|&i| bits.get(i)).count() as f64;
                round += 1;
                continue;
            }
            _ => continue,
        };
        let mut part = vec![0; bits::words_for(bits.len())];
        bits.copy_to(&mut part);
        strings[which].extend(part);
    }
    assert!(strings.iter().all(|string| string.len() == words));
    let mut found =
        vec![ended.sent[1].iter().map(Vec::len).sum::<usize>() as f64, ended.sent[1].len() as f64];
    found.extend(answers);
    found.extend(asked);
    let [first, second, report] = &strings;
    let size = bits::count_ones(first) as f64;
    assert_eq!(size, bits::count_ones(second) as f64);
    found.push(size);
    found.push(bits::count_ones(report) as f64);
    for set in [first, second] {
        found.push(common(set, &alice.bases) as f64);
        found.push(common(set, &alice.bits) as f64);
        found.push(bits::ones(set).map(|i| i as f64).sum::<f64>() / size);
        // Neighbours in one set.
        let next: Vec<u64> =
            (0..words).map(|w| set[w] >> 1 | set.get(w + 1).map_or(0, |above| above << 63)).collect();
        found.push(common(set, &next) as f64);
        // Even rounds, early and late ones.
        found.push(set.iter().map(|word| f64::from((word & 0x5555_5555_5555_5555).count_ones())).sum());
        found.push(bits::count_ones(&set[..words / 64]) as f64);
        found.push(bits::count_ones(&set[words - words / 64..]) as f64);
        // Rounds of the sample are in neither set.
        found.push(bits::ones(set).next().unwrap() as f64);
    }
    found
}

/// Largest distance of means over all features, in standard deviations.
fn farthest(samples: &[Vec<Vec<f64>>; 2]) -> f64 {
    let count = samples[0][0].len();
    let moments = |of: &[Vec<f64>], feature: usize| {
        let runs = of.len() as f64;
        let mean = of.iter().map(|run| run[feature]).sum::<f64>() / runs;
        let variance = of.iter().map(|run| (run[feature] - mean).powi(2)).sum::<f64>() / (runs - 1.0);
        (mean, variance / runs)
    };
    (0..count).fold(0.0, |most: f64, feature| {
        let [(a, v), (b, w)] = [0, 1].map(|side| moments(&samples[side], feature));
        let distance = if v + w > 0.0 { (a - b).abs() / (v + w).sqrt() } else { (a - b).abs() * 1e9 };
        most.max(distance)
    })
}

/// A case where many blocks need reveals: they are planned by the error rate that they have.
fn blind(choice: bool, seed: u64) -> Case {
    let mut case = Case::good(SMALL, choice, seed).blind();
    case.targets.test_fraction = 0.0;
    case.device.detector_error = 0.012;
    case
}

/// What Bob asks for says how hard his blocks are, which is alike for both choices if syndromes are honest. One false
/// syndrome, and it says what he chose: that is why blind takes an assumption.
#[test]
fn blind_requests_tell_nothing_to_an_honest_alice_and_all_to_another() {
    const RUNS: u64 = 25;
    let mut ground = Ground::hasty();
    let mut reveals = 0.0;
    let mut distance = |attack: Option<u8>| {
        let samples = [false, true].map(|choice| {
            (0..RUNS)
                .map(|seed| {
                    let case = blind(choice, 20_000 + seed + RUNS * u64::from(choice));
                    let ended = match attack {
                        Some(set) => ground.run(&case, &mut malicious(set)),
                        None => ground.run(&case, &mut faithful),
                    };
                    case.check(&ended);
                    let found = features(&ended);
                    reveals += found[4..4 + usize::from(BLIND_ROUNDS)].iter().sum::<f64>();
                    found
                })
                .collect::<Vec<_>>()
        });
        farthest(&samples)
    };
    let honest = distance(None);
    assert!(honest < 4.5, "{honest} standard deviations");
    for set in [0, 1] {
        let attacked = distance(Some(set));
        assert!(attacked > 6.0, "{attacked} standard deviations");
    }
    assert!(reveals > 50.0, "{reveals}");
}

/// One syndrome of set s false: Bob asks for that pair to the end if and only if c = s.
#[test]
fn one_false_syndrome_finds_the_choice_of_a_blind_bob() {
    let mut ground = Ground::hasty();
    for seed in 0..3 {
        for (choice, set) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
            let case = blind(choice, 30_000 + seed);
            let mut steps = 0;
            let ended = ground.run(&case, &mut |from, _, mut frame| {
                if let (From::Alice, Message::Disclosing(Disclosing::BlindInit(syndrome))) =
                    (from, message(&frame))
                    && syndrome.block == u32::from(set)
                {
                    steps = usize::from(syndrome.request);
                    spoil(&mut frame);
                }
                vec![frame]
            });
            case.check(&ended);
            let asked = ended.sent[1].iter().filter(|frame| {
                matches!(message(frame), Message::Plain(Plain::PairsWanted(span)) if span.bits.get(0))
            });
            assert!(steps > 0);
            assert_eq!(asked.count() == steps, u8::from(choice) == set, "seed {seed}");
        }
    }
}

/// The lists of a Bob who cuts his sets carelessly.
fn leaky(frame: Vec<u8>, choice: bool, seen: &mut [usize; 2], size: usize) -> Vec<u8> {
    let sequence = u32::from_be_bytes(frame[4..8].try_into().unwrap());
    let Message::Plain(Plain::IndexLists(Span { part, offset, bits })) = message(&frame) else {
        return frame;
    };
    let mut words = vec![0; bits::words_for(bits.len())];
    bits.copy_to(&mut words);
    let matching = (part == 1) == choice;
    for i in 0..bits.len() {
        if bits.get(i) {
            let at = seen[usize::from(part)];
            seen[usize::from(part)] += 1;
            // The first of one set, the last of the other, as if it were sorted before it was cut.
            bits::set(&mut words, i, if matching { at >= 60 } else { at + 60 < size });
        }
    }
    let bits = wire::Bits::of(&words, bits.len()).unwrap();
    let mut out = vec![0; frame.len()];
    wire::encode(&mut out, sequence, &Plain::IndexLists(Span { part, offset, bits })).unwrap();
    out
}

#[test]
fn bobs_frames_are_distributed_alike_for_both_choices() {
    const RUNS: u64 = 150;
    let mut ground = Ground::default();
    // Honest, with either set's syndromes wrong, with a commitment, and with thinned clicks.
    for variant in 0..5 {
        let samples = [false, true].map(|choice| {
            (0..RUNS)
                .map(|seed| {
                    let seed = 5000 + seed + RUNS * (2 * variant + u64::from(choice));
                    let mut case = Case { committed: variant == 3, ..Case::good(SMALL, choice, seed) };
                    if variant == 4 {
                        case.efficiencies = Some([0.95, 0.9]);
                    }
                    let ended = match variant {
                        1 | 2 => ground.run(&case, &mut malicious(variant as u8 - 1)),
                        _ => ground.run(&case, &mut faithful),
                    };
                    case.check(&ended);
                    features(&ended)
                })
                .collect::<Vec<_>>()
        });
        let found = farthest(&samples);
        assert!(found < 4.5, "variant {variant}: {found} standard deviations");
    }
    // A Bob who is careless in how he cuts his sets is caught by the same numbers.
    let samples = [false, true].map(|choice| {
        (0..RUNS)
            .map(|seed| {
                let case = Case::good(SMALL, choice, 9000 + seed + RUNS * u64::from(choice));
                let mut ended = ground.run(&case, &mut faithful);
                let size = ended.bob.as_ref().unwrap().sifted.set_bits;
                let mut seen = [0; 2];
                for frame in &mut ended.sent[1] {
                    *frame = leaky(std::mem::take(frame), choice, &mut seen, size);
                }
                features(&ended)
            })
            .collect::<Vec<_>>()
    });
    assert!(farthest(&samples) > 6.0, "{}", farthest(&samples));
}

/// Unequal detectors would tell Bob's bases; thinned, his report does not.
#[test]
fn thinned_reports_say_nothing_about_bases() {
    let mut ground = Ground::default();
    let mut case = Case::good(100_000, false, 8);
    case.efficiencies = Some([0.9, 1.0]);
    let ended = ground.run(&case, &mut faithful);
    case.check(&ended);
    let bob = &ended.detectors[1];
    let clicks = [false, true].map(|basis| {
        (0..bob.rounds).filter(|&i| bits::get(&bob.bases, i) == basis && bits::get(&bob.clicked, i)).count()
    });
    assert!(clicks[1] > clicks[0] + 4000, "{clicks:?}");
    let mut report = Vec::new();
    for frame in &ended.sent[1] {
        if let Message::Plain(Plain::DetectionReport(span)) = message(frame) {
            let mut part = vec![0; bits::words_for(span.bits.len())];
            span.bits.copy_to(&mut part);
            report.extend(part);
        }
    }
    let ones = common(&report, &bob.bases);
    let zeros = bits::count_ones(&report) - ones;
    assert!(ones.abs_diff(zeros) < 1300, "{zeros} {ones}");
    assert!(report.iter().zip(&bob.clicked).all(|(report, clicked)| report & !clicked == 0));
}
