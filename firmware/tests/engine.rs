//! The engine's 8-bit decoder, that of hosts, on the image's blocks: decisions and iterations are those in `golden.txt`, which
//! the image prints.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::code::{Code, mother_4096};
use caligo_core::decode::Outcome;
use caligo_core::llr::Rates;
use caligo_engine::dispatch::Path;
use caligo_engine::{Effort, Engine, Input, Tier};
use caligo_firmware::{Blocks, Decode, Host, Job, RATES, Work};

const GOLDEN: &str = include_str!("../golden.txt");

#[derive(Default)]
struct Paper(Vec<u8>);

impl Host for Paper {
    fn print(&mut self, text: &[u8]) {
        self.0.extend_from_slice(text);
    }
}

struct Wide(Engine<'static>);

impl Decode for Wide {
    fn name(&self) -> &'static str {
        ", 8 bits"
    }

    fn work(&self) -> Work {
        Work::DecodeBytes
    }

    fn decode(&mut self, job: Job<'_>, decision: &mut [u64]) -> Option<Outcome> {
        let Job { pattern, frame, syndrome, qber } = job;
        let rates = Rates::Uniform(qber);
        let outcome = self.0.decode(&Input { pattern, frame, rates: &rates, syndrome }, decision).ok()?;
        // More were another stage's.
        (outcome.iterations <= 40).then_some(outcome)
    }
}

#[test]
fn the_engine_decides_as_the_image_by_every_set_of_instructions() {
    let expected: Vec<&str> = GOLDEN.lines().filter(|line| line.starts_with("blocks, 8 bits")).collect();
    assert_eq!(expected.len(), RATES.len());
    let effort = Effort { tier: Tier::Balanced, without_first_pass: true, ..Effort::default() };
    for path in Path::all() {
        let mut engine = Wide(Engine::on(path, &Code::Qc(mother_4096::CODE), effort).unwrap());
        let (mut paper, mut blocks) = (Paper::default(), Blocks::default());
        for (rate, punctured, ppm) in RATES {
            assert!(blocks.run(&mut paper, &mut engine, rate, punctured, ppm));
        }
        let said = String::from_utf8(paper.0).unwrap();
        assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{}", path.name());
    }
}
