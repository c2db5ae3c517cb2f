//! The decoders' iterations, compiled as the runtime compiles them. Syndromes are of other frames, so that no decoder
//! ends early.

use std::error::Error;

use caligo_benches::frames as draw;
use caligo_core::code::{Code, LengthError, mother_4096};
use caligo_core::decode::sliced::alphabet::{Alphabet, Sturdy, Swift};
use caligo_core::decode::sliced::lanes::{Lanes, Words};
use caligo_core::decode::sliced::{Sliced, SlicedLayout};
use caligo_core::decode::{Arithmetic, Corrected, Decoder, Layout, Outcome, Schedule, SumProduct, Workspace};
use caligo_core::llr::{self, Rates};
use caligo_core::puncture::order_4096;
use caligo_runtime::kernel::lanes::{Ymm, Zmm};
use pulp::NullaryFnOnce;

use crate::path::Path;

pub(crate) const NAMES: [&str; 4] = ["sliced-swift", "sliced-sturdy", "corrected", "sum-product"];

/// Frames that an iteration goes through together.
pub(crate) fn frames(kernel: &str, path: Path) -> usize {
    match path {
        _ if !kernel.starts_with("sliced") => 1,
        Path::Avx512(_) => Zmm::FRAMES,
        Path::Avx2(_) => Ymm::FRAMES,
        Path::Portable => Words::<1>::FRAMES,
    }
}

/// Loads, and as often as the number says goes on for a round, with an iteration in it or without.
pub(crate) type Work = Box<dyn FnMut(u16, bool) -> Result<(), LengthError>>;

pub(crate) fn work(kernel: &str, path: Path) -> Result<Work, Box<dyn Error>> {
    match kernel {
        "sliced-swift" => sliced_on::<Swift>(path),
        "sliced-sturdy" => sliced_on::<Sturdy>(path),
        "corrected" => belief(Corrected::default(), path),
        "sum-product" => belief(SumProduct, path),
        _ => Err("no such kernel".into()),
    }
}

fn sliced_on<A: Alphabet + 'static>(path: Path) -> Result<Work, Box<dyn Error>> {
    match path {
        Path::Avx512(isa) => sliced::<A, _>(Zmm(isa), path),
        Path::Avx2(isa) => sliced::<A, _>(Ymm(isa), path),
        Path::Portable => sliced::<A, _>(Words::<1>, path),
    }
}

fn sliced<A: Alphabet + 'static, L: Lanes + 'static>(lanes: L, path: Path) -> Result<Work, Box<dyn Error>> {
    let code = mother_4096::CODE;
    let frames = draw(L::FRAMES as u64 + 1, 0.08, 6)?;
    let mut memory = vec![lanes.splat(0); SlicedLayout::of::<A>(&code).total()];
    Ok(Box::new(move |rounds, iterate| {
        let (mut punctured, mut shortened) = ([0; 64], [0; 64]);
        let Ok(pattern) = order_4096::ORDER.pattern(0, 0, &mut punctured, &mut shortened) else {
            return Ok(());
        };
        let mut state = Sliced::<A, L>::new(&code, lanes, &mut memory)?;
        for (i, pair) in frames.windows(2).enumerate() {
            state.load(i, &pattern, &pair[0].received, &pair[1].syndrome)?;
        }
        path.call(Iterations { state: &mut state, iterations: if iterate { rounds } else { 0 } });
        Ok(())
    }))
}

struct Iterations<'s, 'm, A, L: Lanes> {
    state: &'s mut Sliced<'static, 'm, A, L>,
    iterations: u16,
}

impl<A: Alphabet, L: Lanes> NullaryFnOnce for Iterations<'_, '_, A, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for _ in 0..self.iterations {
            self.state.iterate();
        }
    }
}

fn belief<A>(arithmetic: A, path: Path) -> Result<Work, Box<dyn Error>>
where
    A: Arithmetic + 'static,
    A::Message: Copy + 'static,
    A::Posterior: Copy + Default + 'static,
{
    let code = Code::from(mother_4096::CODE);
    let frames = draw(2, 0.08, 6)?;
    let layout = Layout::of(&code, Schedule::Layered);
    let messages = vec![A::NOTHING; layout.messages];
    let posteriors = vec![A::Posterior::default(); layout.posteriors];
    let mut work = Workspace::new(&code, Schedule::Layered, messages, posteriors)?;
    let mut priors = vec![A::Posterior::default(); code.n()];
    let (mut punctured, mut shortened) = ([0; 64], [0; 64]);
    let pattern = order_4096::ORDER.pattern(0, 0, &mut punctured, &mut shortened)?;
    llr::with_rates(&arithmetic, &pattern, &frames[0].received, &Rates::Uniform(0.08), &mut priors)?;
    let syndrome = frames[1].syndrome;
    let mut decision = [0; 64];
    Ok(Box::new(move |rounds, iterate| {
        work.load(&priors)?;
        let decoder = Decoder { arithmetic, max_iterations: iterate.into() };
        for _ in 0..rounds {
            path.call(Run { decoder, syndrome: &syndrome, work: &mut work, decision: &mut decision })?;
        }
        Ok(())
    }))
}

struct Run<'r, A: Arithmetic> {
    decoder: Decoder<A>,
    syndrome: &'r [u64],
    work: &'r mut Workspace<'static, A, Vec<A::Message>, Vec<A::Posterior>>,
    decision: &'r mut [u64],
}

impl<A: Arithmetic> NullaryFnOnce for Run<'_, A> {
    type Output = Result<Outcome, LengthError>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        self.decoder.run(self.syndrome, self.work, self.decision)
    }
}
