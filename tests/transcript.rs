//! What Alice's frames disclose, counted by rank from their bytes, is what she was charged; and a budget stops the
//! frame that would pass it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use caligo_core::bits::{self, words_for};
use caligo_core::code::Code;
use caligo_core::leakage::{Disclosed, Policy};
use caligo_core::puncture::Order;
use caligo_core::rank::{self, Basis};
use caligo_core::reconcile::Abort;
use caligo_core::wire::{self, Disclosing, Message, Plain};
use caligo_runtime::config::Strategy;
use caligo_runtime::matrix::library::Library;
use caligo_runtime::session::local::{Config, Ground, QberSource};
use caligo_tests::checks;
use caligo_tests::sim::{Case, End, Ended, run};

const STRATEGIES: [Strategy; 3] = [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric];
const POLICIES: [Policy; 3] = [Policy::Exact, Policy::SyndromeCap, Policy::Conservative];

/// What an eavesdropper holds of a block: linear equations in its bits, by position.
struct Block {
    punctured: Vec<bool>,
    known: Vec<bool>,
    /// Revealed, padding or payload.
    revealed: Vec<usize>,
    /// Positions still to be named by the public order.
    requested: Vec<usize>,
    syndrome: usize,
}

/// Both directions of a session, read with nothing but the code, its order and the bytes.
struct Reader<'a> {
    code: Code<'a>,
    order: Order<'a>,
    /// The columns of the order that do not depend on earlier ones; all if `None`.
    independent: Option<Vec<u64>>,
    blocks: BTreeMap<u32, Block>,
    sampled: usize,
    tags: usize,
}

impl<'a> Reader<'a> {
    fn new(library: &'a Library) -> Self {
        let (code, order) = (library.code().unwrap(), library.order().unwrap());
        let independent = library.independent().unwrap();
        Self { code, order, independent, blocks: BTreeMap::new(), sampled: 0, tags: 0 }
    }

    fn open(&mut self, s: &wire::Syndrome<'_>) {
        let n = self.code.n();
        let row = words_for(n);
        let (mut punctured, mut known) = (vec![0; row], vec![0; row]);
        self.order.pattern(s.punctured.into(), s.shortened.into(), &mut punctured, &mut known).unwrap();
        let mask = |words: &[u64]| (0..n).map(|i| bits::get(words, i)).collect::<Vec<_>>();
        let block = Block {
            punctured: mask(&punctured),
            known: mask(&known),
            revealed: Vec::new(),
            requested: Vec::new(),
            syndrome: s.syndrome.len(),
        };
        assert!(self.blocks.insert(s.block, block).is_none());
    }

    /// Where the values of a reveal belong.
    fn reveal(&mut self, r: &wire::Reveal<'_>, by_request: bool) {
        let block = self.blocks.get_mut(&r.block).unwrap();
        let positions: Vec<usize> = if by_request {
            std::mem::take(&mut block.requested)
        } else {
            let punctured = self.order.puncture().iter().rev().map(|&v| usize::from(v));
            let padding = punctured.filter(|&v| block.punctured[v]);
            let payload = self.order.shorten().iter().map(|&v| usize::from(v));
            let all = padding.chain(payload.filter(|&v| !block.punctured[v]));
            all.filter(|v| !block.known[*v] && !block.revealed.contains(v)).take(r.values.len()).collect()
        };
        assert_eq!(positions.len(), r.values.len());
        block.revealed.extend(positions);
    }

    /// Reads what Alice (0) or Bob (1) sent in the order of its sequence numbers. Requests must come before the
    /// reveals that answer them.
    fn read(&mut self, frame: &[u8], sequence: u32) {
        match wire::decode(frame, sequence).unwrap() {
            Message::Disclosing(Disclosing::Syndrome(s) | Disclosing::BlindInit(s)) => self.open(&s),
            Message::Disclosing(Disclosing::BlindReveal(r)) => self.reveal(&r, false),
            Message::Disclosing(Disclosing::SymmetricReveal(r)) => self.reveal(&r, true),
            Message::Disclosing(Disclosing::Verify(_)) => self.tags += 1,
            Message::Disclosing(Disclosing::TestOutcomes { bits, .. }) => self.sampled += bits.len(),
            Message::Plain(Plain::SymmetricRequest(r)) => {
                let block = self.blocks.get_mut(&r.block).unwrap();
                block.requested = r.positions.iter().map(usize::from).collect();
            }
            _ => {}
        }
    }

    /// Bits that all frames together tell about the payloads: the rank of all equations less the rank of their
    /// padding part, which is uniform and private.
    fn leak(&self) -> Leak {
        let rows = checks(&self.code);
        let rank = rank::rank(&self.code);
        let row_words = words_for(self.code.n());
        let mut leak = Leak::default();
        for block in self.blocks.values() {
            let (mut all, mut padding) = (Basis::new(self.code.n()), Basis::new(self.code.n()));
            let mut equation = |positions: &[usize]| {
                let mut whole = vec![0; row_words];
                positions.iter().filter(|&&v| !block.known[v]).for_each(|&v| bits::set(&mut whole, v, true));
                let mut part = vec![0; row_words];
                bits::ones(&whole)
                    .filter(|&v| block.punctured[v])
                    .for_each(|v| bits::set(&mut part, v, true));
                padding.insert(&part);
                all.insert(&whole);
            };
            rows.iter().for_each(|row| equation(row));
            block.revealed.iter().for_each(|&v| equation(&[v]));
            leak.exact += all.rank() - padding.rank();
            let secret = (0..self.code.n()).filter(|v| !block.known[*v] && !block.revealed.contains(v));
            leak.lost += rank - rank::rank_of(&self.code, secret.clone());
            let left: Vec<usize> = secret.filter(|&v| block.punctured[v]).collect();
            let counted =
                left.iter().filter(|&&v| self.independent.as_ref().is_none_or(|mask| bits::get(mask, v)));
            leak.freed += rank::rank_of(&self.code, left.iter().copied()) - counted.count();
            leak.syndrome += block.syndrome;
            let padding = block.revealed.iter().filter(|&&v| block.punctured[v]).count();
            leak.padding += padding;
            leak.payload += block.revealed.len() - padding;
        }
        leak
    }
}

/// Disclosed bits of all blocks.
#[derive(Debug, Default, PartialEq)]
struct Leak {
    exact: usize,
    /// What known positions, shortened or revealed, take from the rank of H, which is charged all the same.
    lost: usize,
    /// Columns of private padding that became independent when Bob asked for others.
    freed: usize,
    syndrome: usize,
    padding: usize,
    payload: usize,
}

/// Frames of both in an order that has every request before its answer: Bob's request before Alice's next frame
/// for that block.
fn read<'a>(library: &'a Library, ended: &Ended) -> Reader<'a> {
    let mut reader = Reader::new(library);
    let mut his = ended.sent[1].iter().zip(0..).peekable();
    for (frame, sequence) in ended.sent[0].iter().zip(0..) {
        if let Message::Disclosing(Disclosing::SymmetricReveal(r)) = wire::decode(frame, sequence).unwrap() {
            while reader.blocks[&r.block].requested.is_empty() {
                let (frame, sequence) = his.next().unwrap();
                reader.read(frame, sequence);
            }
        }
        reader.read(frame, sequence);
    }
    reader
}

fn session(library: &Library, config: Config, bits: usize, qber: f64, sabotage: f64, index: u64) -> Ended {
    let ground = Ground::of(library).unwrap();
    let case = Case { sabotage, ..Case::clean(config, bits, qber, (50, index)) };
    run(&ground, &config.planner(library).unwrap(), &case).unwrap()
}

fn disclosed(ended: &Ended) -> Disclosed {
    match &ended.ends {
        [End::Done(alice), End::Done(bob)] => {
            assert_eq!(alice.receipt, bob.receipt);
            alice.receipt.disclosed()
        }
        ends => panic!("{ends:?}"),
    }
}

#[test]
fn the_rank_of_a_transcript_is_what_was_charged() {
    let library = Library::built_in();
    let mut revealed = [0; 2];
    for (index, strategy) in (0..).zip(STRATEGIES) {
        // A guess too low, so that padding runs out and payload is revealed; none at all; wrong blocks.
        let cases = [
            (Some(0.04), 0.04, 0.0, 3),
            (Some(0.02), 0.06, 0.0, 12),
            (None, 0.05, 0.0, 10),
            (Some(0.03), 0.03, 0.4, 6),
            (None, 0.11, 0.0, 20),
        ];
        for (number, (prior, qber, sabotage, rounds)) in (0..).zip(cases) {
            let source = prior.map_or(Config::of(strategy).qber, QberSource::Given);
            let config = Config { qber: source, rounds, ..Config::of(strategy) };
            let ended =
                session(&library, config, 7000 + 400 * number as usize, qber, sabotage, 10 * index + number);
            let (read, disclosed) = (read(&library, &ended), disclosed(&ended));
            let leak = read.leak();
            let what = format!("{strategy}, case {number}");
            let charged = leak.exact + leak.lost + leak.freed;
            assert_eq!(charged as u64, disclosed.reconciliation(Policy::Exact).0, "{what}");
            assert_eq!(leak.syndrome as u64, disclosed.syndrome.0, "{what}");
            assert_eq!(leak.padding as u64, disclosed.padding_revealed.0, "{what}");
            assert_eq!(leak.payload as u64, disclosed.payload_revealed.0, "{what}");
            assert_eq!((read.tags * 64) as u64, disclosed.tag.0, "{what}");
            assert_eq!(read.sampled as u64, disclosed.sample.0, "{what}");
            let (syndrome, padding, payload) = (leak.syndrome, leak.padding, leak.payload);
            let tags = 64 * read.tags;
            assert_eq!(disclosed.total(Policy::Exact).0 as usize, charged + tags, "{what}");
            assert_eq!(disclosed.total(Policy::SyndromeCap).0 as usize, syndrome + payload + tags, "{what}");
            let all = syndrome + padding + payload + tags;
            assert_eq!(disclosed.total(Policy::Conservative).0 as usize, all, "{what}");
            assert!(leak.exact <= syndrome + payload, "{what}");
            revealed[0] += padding;
            revealed[1] += payload;
            assert!(charged - leak.exact <= charged / 100, "{what}: {leak:?}");
            if strategy == Strategy::Blind {
                assert_eq!(charged, leak.exact, "{what}");
            }
        }
    }
    assert!(revealed[0] > 1000 && revealed[1] > 100, "{revealed:?}");
}

/// Charges of Alice's frames in order, from a session without a budget.
fn charges(library: &Library, config: Config, bits: usize, qber: f64) -> (Ended, u64) {
    let ended = session(library, config, bits, qber, 0.0, 7);
    let total = disclosed(&ended).total(config.policy).0;
    (ended, total)
}

fn is_charged(frame: &[u8], sequence: u32) -> bool {
    let message = wire::decode(frame, sequence).unwrap();
    matches!(message, Message::Disclosing(m) if !matches!(m, Disclosing::TestOutcomes { .. }))
}

#[test]
fn a_budget_one_bit_short_stops_the_frame_that_would_pass_it() {
    let library = Library::built_in();
    let mut steps = 0;
    for strategy in STRATEGIES {
        for policy in POLICIES {
            let config = Config { qber: QberSource::Given(0.04), policy, ..Config::of(strategy) };
            let what = format!("{strategy}, {policy:?}");
            let (free, total) = charges(&library, config, 9000, 0.045);
            let within = |cap: u64| {
                let config = Config { budget: Some(cap), ..config };
                session(&library, config, 9000, 0.045, 0.0, 7)
            };
            // All of it is enough: the same frames but for the greeting, which says the budget.
            let enough = within(total);
            assert_eq!(enough.sent[0][1..], free.sent[0][1..], "{what}");
            assert_eq!(disclosed(&enough).total(policy).0, total, "{what}");
            // From the last charge back to the first, each time one bit less than it needs.
            let (mut spent, mut before) = (total, free.sent[0].len());
            while spent > 0 {
                let cap = spent - 1;
                let ended = within(cap);
                let [End::Aborted(alice), End::Aborted(bob)] = &ended.ends else { panic!("{what}") };
                let Abort::Budget(exceeded) = alice.reason else { panic!("{what}: {:?}", alice.reason) };
                assert_eq!(bob.reason, Abort::Peer(5), "{what}");
                assert_eq!(exceeded.cap.0, cap, "{what}");
                assert_eq!(exceeded.spent.0 + exceeded.attempted.0, spent, "{what}");
                assert!(exceeded.spent == alice.spent && alice.spent.0 <= cap, "{what}");
                // What was sent is what was sent without a budget, up to that frame; then the farewell.
                let sent = &ended.sent[0];
                let last = sent.len() - 1;
                assert!(last < before && is_charged(&free.sent[0][last], last as u32), "{what}");
                assert_eq!(sent[1..last], free.sent[0][1..last], "{what}");
                let farewell = wire::decode(&sent[last], last as u32).unwrap();
                assert_eq!(farewell, Message::Plain(Plain::Abort { reason: 5 }), "{what}");
                (spent, before) = (exceeded.spent.0, last);
                steps += 1;
            }
        }
    }
    assert!(steps > 60, "{steps}");
}
