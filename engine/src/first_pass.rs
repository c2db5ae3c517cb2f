//! The first pass of a cascade: many frames through the bit-sliced decoder, as many at once as the machine's
//! registers hold words.
//!
//! In: frames with their patterns, rates and syndromes. Out: decisions of those that converged. What comes out for a
//! frame does not depend on the others, nor on the machine.

use alloc::vec;
use alloc::vec::Vec;

use caligo_core::code::{Code, LengthError, QcCode};
use caligo_core::decode::Outcome;
use caligo_core::decode::sliced::alphabet::{Alphabet, Sturdy, Swift};
use caligo_core::decode::sliced::lanes::Lanes;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use caligo_core::decode::sliced::lanes::Words;
use caligo_core::decode::sliced::{Sliced, SlicedLayout};
use caligo_core::limits;
use caligo_core::llr::Rates;
use zeroize::Zeroize;

use crate::dispatch::Path;
use crate::engine::{Input, leak_rate};
#[cfg(target_arch = "x86_64")]
use crate::lanes::{Ymm, Zmm};
#[cfg(target_arch = "aarch64")]
use crate::neon::Neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::wasm::Simd128;
use crate::watch::{Seen, Stage, Watch, lend};

/// What a frame is tried with first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Swift,
    Sturdy,
    /// Nothing: it would fail.
    None,
}

/// Most punctured positions for each alphabet, and least efficiency f: measured where one frame in ten or twenty fails.
const MOST_PUNCTURED_SWIFT: usize = 400;
const SWIFT_EFFICIENCY: f64 = 1.6;
const MOST_PUNCTURED: usize = 700;
const EFFICIENCY: f64 = 1.15;
/// More of it for each punctured position.
const EFFICIENCY_A_POSITION: f64 = 4e-4;

fn choice(code: &QcCode<'_>, input: &Input<'_>) -> Choice {
    let Rates::Uniform(qber) = *input.rates else { return Choice::None };
    let (pattern, p) = (input.pattern, input.pattern.p());
    let f = leak_rate(&Code::Qc(*code), pattern) / limits::entropy(qber);
    if p <= MOST_PUNCTURED_SWIFT && f >= SWIFT_EFFICIENCY {
        Choice::Swift
    } else if p <= MOST_PUNCTURED && f >= EFFICIENCY + EFFICIENCY_A_POSITION * p as f64 {
        Choice::Sturdy
    } else {
        Choice::None
    }
}

/// Iterations after which a frame is left to the next stage.
const fn most_iterations(choice: Choice) -> u16 {
    match choice {
        Choice::Swift => 16,
        Choice::Sturdy => 30,
        Choice::None => 0,
    }
}

/// Memory and instructions of a first pass.
#[derive(Debug)]
pub(crate) struct FirstPass<'a> {
    code: QcCode<'a>,
    machine: Machine,
    most_iterations: u16,
    /// Of each input.
    choices: Vec<Choice>,
    queue: Vec<usize>,
}

/// Memory that suits either alphabet.
fn planes(code: &QcCode<'_>) -> usize {
    SlicedLayout::of::<Swift>(code).total().max(SlicedLayout::of::<Sturdy>(code).total())
}

#[derive(Debug)]
enum Machine {
    #[cfg(target_arch = "x86_64")]
    Avx512(Zmm, Vec<<Zmm as Lanes>::Plane>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Ymm, Vec<<Ymm as Lanes>::Plane>),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon, Vec<<Neon as Lanes>::Plane>),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Wasm(Simd128, Vec<<Simd128 as Lanes>::Plane>),
    #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
    Portable(Words<1>, Vec<[u64; 1]>),
}

impl Machine {
    fn new(path: Path, planes: usize) -> Self {
        match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(v4) => Self::Avx512(Zmm(v4), vec![Zmm(v4).splat(0); planes]),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(v3) => Self::Avx2(Ymm(v3), vec![Ymm(v3).splat(0); planes]),
            #[cfg(target_arch = "aarch64")]
            Path::Neon(neon) => Self::Neon(Neon(neon), vec![Neon(neon).splat(0); planes]),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Path::Simd128 => Self::Wasm(Simd128, vec![Simd128.splat(0); planes]),
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Path::Portable => Self::Portable(Words, vec![[0]; planes]),
        }
    }
}

impl<'a> FirstPass<'a> {
    /// `None` for a code whose circulants are not of 64.
    pub(crate) fn new(path: Path, code: &Code<'a>, most_iterations: u16) -> Option<Self> {
        let Code::Qc(code) = *code else { return None };
        if code.z() != 64 {
            return None;
        }
        let machine = Machine::new(path, planes(&code));
        Some(Self { code, machine, most_iterations, choices: Vec::new(), queue: Vec::new() })
    }

    /// Decodes what it can. An outcome that has not converged leaves its decision as it was, unless somebody looks on.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub(crate) fn run(
        &mut self,
        inputs: &[Input<'_>],
        decisions: &mut [u64],
        outcomes: &mut [Outcome],
        mut watch: Option<Watch<'_>>,
    ) -> Result<(), LengthError> {
        let Self { code, machine, most_iterations: most, choices, queue } = self;
        choices.clear();
        choices.extend(inputs.iter().map(|input| choice(code, input)));
        for which in [Choice::Swift, Choice::Sturdy] {
            queue.clear();
            queue.extend((0..inputs.len()).filter(|&i| choices[i] == which));
            if queue.is_empty() {
                continue;
            }
            let most_iterations = most_iterations(which).min(*most);
            let watch = lend(&mut watch);
            let batch = Batch { code, queue, inputs, most_iterations, decisions, outcomes, watch };
            match which {
                Choice::Swift => machine.run::<Swift>(batch)?,
                _ => machine.run::<Sturdy>(batch)?,
            }
        }
        Ok(())
    }
}

impl Drop for FirstPass<'_> {
    /// The signs of posteriors are key bits.
    fn drop(&mut self) {
        match &mut self.machine {
            #[cfg(target_arch = "x86_64")]
            Machine::Avx512(_, memory) => bytemuck::cast_slice_mut::<_, u64>(memory).zeroize(),
            #[cfg(target_arch = "x86_64")]
            Machine::Avx2(_, memory) => bytemuck::cast_slice_mut::<_, u64>(memory).zeroize(),
            #[cfg(target_arch = "aarch64")]
            Machine::Neon(_, memory) => bytemuck::cast_slice_mut::<_, u64>(memory).zeroize(),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Machine::Wasm(_, memory) => bytemuck::cast_slice_mut::<_, u64>(memory).zeroize(),
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Machine::Portable(_, memory) => memory.zeroize(),
        }
    }
}

impl Machine {
    fn run<A: Alphabet>(&mut self, batch: Batch<'_>) -> Result<(), LengthError> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(lanes, memory) => {
                pulp::Simd::vectorize(lanes.0, Compiled::<A, _>::new(*lanes, memory, batch))
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(lanes, memory) => {
                pulp::Simd::vectorize(lanes.0, Compiled::<A, _>::new(*lanes, memory, batch))
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon(lanes, memory) => {
                pulp::Simd::vectorize(lanes.0, Compiled::<A, _>::new(*lanes, memory, batch))
            }
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Wasm(lanes, memory) => batch.run::<A, _>(*lanes, memory),
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Self::Portable(lanes, memory) => batch.run::<A, _>(*lanes, memory),
        }
    }
}

/// A batch with its instructions, to be compiled for them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
struct Compiled<'m, 'b, A, L: Lanes> {
    lanes: L,
    memory: &'m mut [L::Plane],
    batch: Batch<'b>,
    alphabet: core::marker::PhantomData<A>,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<'m, 'b, A, L: Lanes> Compiled<'m, 'b, A, L> {
    fn new(lanes: L, memory: &'m mut [L::Plane], batch: Batch<'b>) -> Self {
        Self { lanes, memory, batch, alphabet: core::marker::PhantomData }
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<A: Alphabet, L: Lanes> pulp::NullaryFnOnce for Compiled<'_, '_, A, L> {
    type Output = Result<(), LengthError>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        self.batch.run::<A, L>(self.lanes, self.memory)
    }
}

/// Frames of one alphabet.
struct Batch<'b> {
    code: &'b QcCode<'b>,
    /// Which inputs.
    queue: &'b [usize],
    inputs: &'b [Input<'b>],
    most_iterations: u16,
    decisions: &'b mut [u64],
    outcomes: &'b mut [Outcome],
    watch: Option<Watch<'b>>,
}

impl Batch<'_> {
    /// A frame that ends makes room for the next at once.
    #[inline(always)]
    fn run<A: Alphabet, L: Lanes>(self, lanes: L, memory: &mut [L::Plane]) -> Result<(), LengthError> {
        let Self { code, queue, inputs, most_iterations, decisions, outcomes, mut watch } = self;
        let total = SlicedLayout::of::<A>(code).total();
        let mut state = Sliced::<A, L>::new(code, lanes, &mut memory[..total])?;
        let words = code.base_columns();
        let mut queue = queue.iter().copied();
        // The input in each place, and its iterations.
        let mut places = [None::<(usize, u16)>; 64];
        let places = &mut places[..L::FRAMES];
        loop {
            let mut busy = false;
            for (frame, place) in places.iter_mut().enumerate() {
                if place.is_none()
                    && let Some(next) = queue.next()
                {
                    let Input { pattern, frame: received, syndrome, .. } = inputs[next];
                    state.load(frame, pattern, received, syndrome)?;
                    *place = Some((next, 0));
                }
                busy |= place.is_some();
            }
            if !busy {
                return Ok(());
            }
            state.iterate();
            let satisfied = state.satisfied();
            for (frame, place) in places.iter_mut().enumerate() {
                let Some((input, iterations)) = place else { continue };
                *iterations += 1;
                let converged = satisfied >> frame & 1 == 1;
                if let Some(watch) = &mut watch {
                    let decision = &mut decisions[*input * words..][..words];
                    state.decision(frame, decision)?;
                    watch(&Seen { stage: Stage::FirstPass, iterations: 1, decision });
                }
                if converged || *iterations == most_iterations {
                    if converged {
                        state.decision(frame, &mut decisions[*input * words..][..words])?;
                    }
                    outcomes[*input] = Outcome { converged, iterations: *iterations, unsatisfied: 0 };
                    *place = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use caligo_core::code::mother_4096;
    use caligo_core::puncture::order_4096;
    use caligo_sim::channel;

    use super::*;

    #[test]
    fn instructions_change_nothing() -> Result<(), LengthError> {
        let code = Code::from(mother_4096::CODE);
        for (p, s, q) in [(0, 0, 0.05), (0, 0, 0.085), (500, 0, 0.055), (0, 400, 0.09), (0, 0, 0.12)] {
            let (mut a, mut b) = ([0; 64], [0; 64]);
            let Ok(pattern) = order_4096::ORDER.pattern(p, s, &mut a, &mut b) else { continue };
            let rates = Rates::Uniform(q);
            let mut frames = Vec::new();
            for index in 0..21 {
                let mut rng = channel::stream(6, index);
                let sent = channel::random_bits(4096, &mut rng);
                let mut syndrome = vec![0; 32];
                code.syndrome(&sent, &mut syndrome)?;
                let mut received = sent.clone();
                channel::flip(&mut received, 4096, q, &mut rng);
                for ((word, &mask), sent) in received.iter_mut().zip(pattern.shortened()).zip(sent) {
                    *word = *word & !mask | sent & mask;
                }
                frames.push((received, syndrome));
            }
            let inputs: Vec<Input<'_>> = frames
                .iter()
                .map(|(frame, syndrome)| Input { pattern: &pattern, frame, rates: &rates, syndrome })
                .collect();
            let results: Vec<_> = Path::all()
                .into_iter()
                .map(|path| {
                    let mut first = FirstPass::new(path, &code, 99);
                    let mut decisions = vec![0; 64 * inputs.len()];
                    let mut outcomes = vec![Outcome::default(); inputs.len()];
                    if let Some(first) = &mut first {
                        first.run(&inputs, &mut decisions, &mut outcomes, None)?;
                    }
                    Ok((decisions, outcomes))
                })
                .collect::<Result<_, LengthError>>()?;
            assert!(q > 0.1 || results[0].1.iter().any(|outcome| outcome.converged), "p {p} s {s} Q {q}");
            assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "p {p} s {s} Q {q}");
        }
        Ok(())
    }
}
