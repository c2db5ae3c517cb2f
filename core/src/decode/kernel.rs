//! Schedules over layers of z checks, `L` lanes at a time.

use super::{Arithmetic, Decoder, Outcome, Schedule, Workspace};
use crate::bits::{self, WORD_BITS};
use crate::code::{Layers, MAX_QC_DEGREE, MAX_SPARSE_DEGREE, QcCode};

/// The check-node rule, over `L` checks at a time.
pub trait Rule: Sized {
    /// Check-to-variable message.
    type Message: Copy + Default + core::fmt::Debug;
    /// Belief in a bit: prior and messages together.
    type Posterior: Copy + Default + core::fmt::Debug;
    /// What one edge leaves on the way forth for the way back.
    #[doc(hidden)]
    type Slot<const L: usize>: Copy;
    /// The combination of the edges passed so far, and of all signs.
    #[doc(hidden)]
    type Running<const L: usize>: Copy;

    /// The message that says nothing.
    #[doc(hidden)]
    const NOTHING: Self::Message;

    #[doc(hidden)]
    fn slot<const L: usize>() -> Self::Slot<L>;
    #[doc(hidden)]
    fn subtract(posterior: Self::Posterior, message: Self::Message) -> Self::Posterior;
    #[doc(hidden)]
    fn add(posterior: Self::Posterior, message: Self::Message) -> Self::Posterior;
    #[doc(hidden)]
    fn is_one(posterior: Self::Posterior) -> u8;
    /// The combination of no edge; bit 7 of `signs` is set where the syndrome bit is 1.
    #[doc(hidden)]
    fn begin<const L: usize>(signs: &[u8; L]) -> Self::Running<L>;
    /// Forth: takes an edge's incoming messages.
    #[doc(hidden)]
    fn absorb<const L: usize>(
        &self,
        running: Self::Running<L>,
        slot: &mut Self::Slot<L>,
        incoming: &[Self::Posterior; L],
    ) -> Self::Running<L>;
    /// Between: forgets the combination, keeps the signs.
    #[doc(hidden)]
    fn turn<const L: usize>(running: Self::Running<L>) -> Self::Running<L>;
    /// Back: an edge's outgoing messages; adds them to what came in.
    #[doc(hidden)]
    fn emit<const L: usize>(
        &self,
        running: Self::Running<L>,
        slot: &Self::Slot<L>,
        incoming: &mut [Self::Posterior; L],
        outgoing: &mut [Self::Message; L],
    ) -> Self::Running<L>;
    /// Runs with the number of lanes that suits this arithmetic.
    #[doc(hidden)]
    fn run_in_lanes<G: Layers>(&self, job: Job<'_, Self, G>) -> Outcome
    where
        Self: Arithmetic;
}

/// One decoding run, borrowed from the workspace.
#[doc(hidden)]
pub struct Job<'a, A: Rule, G> {
    graph: &'a G,
    schedule: Schedule,
    max_iterations: u16,
    syndrome: &'a [u64],
    messages: &'a mut [A::Message],
    posteriors: &'a mut [A::Posterior],
    decision: &'a mut [u64],
}

#[inline(always)]
pub(super) fn run<A, G, M, P>(
    decoder: &Decoder<A>,
    graph: &G,
    syndrome: &[u64],
    work: &mut Workspace<'_, A, M, P>,
    decision: &mut [u64],
) -> Outcome
where
    A: Arithmetic,
    G: Layers,
    M: AsMut<[A::Message]>,
    P: AsMut<[A::Posterior]>,
{
    let job = Job {
        graph,
        schedule: work.schedule(),
        max_iterations: decoder.max_iterations,
        syndrome,
        messages: work.messages.as_mut(),
        posteriors: work.posteriors.as_mut(),
        decision,
    };
    if G::CYCLIC {
        decoder.arithmetic.run_in_lanes(job)
    } else {
        job.iterate::<1, MAX_SPARSE_DEGREE, 1>(&decoder.arithmetic)
    }
}

/// [`run`] where z is 64 and the schedule layered.
#[inline(always)]
pub(super) fn run_words<A, M, P>(
    decoder: &Decoder<A>,
    graph: &QcCode<'_>,
    syndrome: &[u64],
    work: &mut Workspace<'_, A, M, P>,
    decision: &mut [u64],
) -> Outcome
where
    A: Arithmetic,
    M: AsMut<[A::Message]>,
    P: AsMut<[A::Posterior]>,
{
    let job = Job {
        graph,
        schedule: Schedule::Layered,
        max_iterations: decoder.max_iterations,
        syndrome,
        messages: work.messages.as_mut(),
        posteriors: work.posteriors.as_mut(),
        decision,
    };
    job.iterate::<WORD_BITS, MAX_QC_DEGREE, WORD_BITS>(&decoder.arithmetic)
}

impl<A: Arithmetic, G: Layers> Job<'_, A, G> {
    /// `L` divides z. The common circulant size is a constant of its own, so that copies of a
    /// block become plain vector moves.
    #[inline(always)]
    pub(super) fn iterate_cyclic<const L: usize>(self, rule: &A) -> Outcome {
        if self.graph.z() == WORD_BITS {
            self.iterate::<L, MAX_QC_DEGREE, WORD_BITS>(rule)
        } else {
            self.iterate::<L, MAX_QC_DEGREE, 0>(rule)
        }
    }

    #[inline(always)]
    fn iterate<const L: usize, const D: usize, const Z: usize>(mut self, rule: &A) -> Outcome {
        let mut slots = [A::slot::<L>(); D];
        let mut iterations = 0;
        loop {
            if iterations < self.max_iterations {
                match self.schedule {
                    Schedule::Layered => self.layered::<L, D, Z>(rule, &mut slots),
                    Schedule::Flooding => self.flooding::<L, D, Z>(rule, &mut slots),
                }
                iterations += 1;
            }
            self.decide();
            let last = iterations == self.max_iterations;
            let unsatisfied = self.unsatisfied(last);
            if unsatisfied == 0 || last {
                return Outcome { converged: unsatisfied == 0, iterations, unsatisfied };
            }
        }
    }

    /// z and the distance between blocks of posteriors; `Z` is z where it is known beforehand.
    #[inline(always)]
    fn sizes<const Z: usize>(&self) -> (usize, usize) {
        let z = if Z == 0 { self.graph.z() } else { Z };
        (z, if G::CYCLIC { 2 * z } else { 1 })
    }

    #[inline(always)]
    fn layered<const L: usize, const D: usize, const Z: usize>(
        &mut self,
        rule: &A,
        slots: &mut [A::Slot<L>; D],
    ) {
        if G::CYCLIC && Z == L {
            self.layered_whole::<L, D>(rule, slots);
            return;
        }
        let (graph, (z, stride)) = (self.graph, self.sizes::<Z>());
        let (blocks, inputs) = self.posteriors.split_at_mut(graph.blocks() * stride);
        for layer in 0..graph.layers() {
            let edges = graph.edges(layer);
            for (edge, input) in edges.clone().zip(inputs.chunks_exact_mut(z)) {
                let from = graph.block(edge) * stride + graph.turn(edge);
                subtract_lanes::<A, L>(&blocks[from..from + z], &self.messages[edge * z..][..z], input);
            }
            update_layer::<A, L, D>(
                rule,
                slots,
                self.syndrome,
                layer,
                z,
                edges.clone(),
                inputs,
                self.messages,
            );
            for (edge, input) in edges.zip(inputs.chunks_exact(z)) {
                let to = graph.block(edge) * stride;
                blocks[to..to + z].copy_from_slice(input);
                if G::CYCLIC {
                    blocks[to + z..to + 2 * z].copy_from_slice(input);
                }
            }
        }
    }

    /// [`Self::layered`] where a block is as wide as the lanes: each edge is passed forth once and back once.
    #[inline(always)]
    fn layered_whole<const L: usize, const D: usize>(&mut self, rule: &A, slots: &mut [A::Slot<L>; D]) {
        let graph = self.graph;
        let (blocks, inputs) = self.posteriors.split_at_mut(graph.blocks() * 2 * L);
        let (messages, inputs) = (self.messages.as_chunks_mut::<L>().0, inputs.as_chunks_mut::<L>().0);
        for layer in 0..graph.layers() {
            let edges = graph.edges(layer);
            let Some(messages) = messages.get_mut(edges.clone()) else { return };
            let mut running = A::begin(&signs::<L>(self.syndrome, layer * L));
            let forth = edges.clone().zip(&*messages).zip(inputs.iter_mut().zip(&mut *slots));
            for ((edge, message), (input, slot)) in forth {
                let from = graph.block(edge) * 2 * L + graph.turn(edge);
                let Some(posterior) = blocks.get(from..).and_then(|b| b.first_chunk::<L>()) else { return };
                let mut lanes = [A::Posterior::default(); L];
                for i in 0..L {
                    lanes[i] = A::subtract(posterior[i], message[i]);
                }
                *input = lanes;
                running = rule.absorb(running, slot, &lanes);
            }
            running = A::turn(running);
            let back = edges.zip(messages).zip(inputs.iter_mut().zip(&*slots)).rev();
            for ((edge, message), (input, slot)) in back {
                running = rule.emit(running, slot, input, message);
                let to = graph.block(edge) * 2 * L;
                let Some(block) = blocks.get_mut(to..to + 2 * L) else { return };
                block[..L].copy_from_slice(input);
                block[L..].copy_from_slice(input);
            }
        }
    }

    /// The sums start as the posteriors; each new message enters by its difference to the old one.
    #[inline(always)]
    fn flooding<const L: usize, const D: usize, const Z: usize>(
        &mut self,
        rule: &A,
        slots: &mut [A::Slot<L>; D],
    ) {
        let (graph, (z, stride)) = (self.graph, self.sizes::<Z>());
        let n = graph.blocks() * z;
        let (blocks, rest) = self.posteriors.split_at_mut(graph.blocks() * stride);
        let inputs_len = rest.len() - n;
        let (inputs, sums) = rest.split_at_mut(inputs_len);
        for (sum, pair) in sums.chunks_exact_mut(z).zip(blocks.chunks_exact(stride)) {
            sum.copy_from_slice(&pair[..z]);
        }
        for layer in 0..graph.layers() {
            let edges = graph.edges(layer);
            for (edge, input) in edges.clone().zip(inputs.chunks_exact_mut(z)) {
                let (block, turn) = (graph.block(edge), turn_from_rest(graph, z, edge));
                let messages = &self.messages[edge * z..][..z];
                let from = block * stride + turn;
                subtract_lanes::<A, L>(&blocks[from..from + z], messages, input);
                combine_turned(&mut sums[block * z..][..z], messages, turn, A::subtract);
            }
            update_layer::<A, L, D>(
                rule,
                slots,
                self.syndrome,
                layer,
                z,
                edges.clone(),
                inputs,
                self.messages,
            );
            for edge in edges {
                let sum = &mut sums[graph.block(edge) * z..][..z];
                combine_turned(sum, &self.messages[edge * z..][..z], turn_from_rest(graph, z, edge), A::add);
            }
        }
        for (sum, pair) in sums.chunks_exact(z).zip(blocks.chunks_exact_mut(stride)) {
            for half in pair.chunks_exact_mut(z) {
                half.copy_from_slice(sum);
            }
        }
    }

    /// Hard decisions out of the posteriors.
    #[inline(always)]
    fn decide(&mut self) {
        let z = self.graph.z();
        if G::CYCLIC {
            let words = z / WORD_BITS;
            let pairs = self.posteriors.chunks_exact(2 * z);
            for (block, (out, pair)) in self.decision.chunks_exact_mut(words).zip(pairs).enumerate() {
                // The natural order begins where the doubled block has turned back by its frame.
                let at = z - self.graph.rest(block);
                for (word, lanes) in out.iter_mut().zip(pair[at..at + z].as_chunks::<WORD_BITS>().0) {
                    *word = pack_signs::<A>(lanes);
                }
            }
        } else {
            self.decision.fill(0);
            for (i, &posterior) in self.posteriors[..self.graph.blocks()].iter().enumerate() {
                self.decision[i / WORD_BITS] |= u64::from(A::is_one(posterior)) << (i % WORD_BITS);
            }
        }
    }

    /// Checks not satisfied; stops at the first unless `all` are to be counted.
    #[inline(always)]
    fn unsatisfied(&self, all: bool) -> u32 {
        let (graph, z) = (self.graph, self.graph.z());
        let mut count = 0;
        for layer in 0..graph.layers() {
            if G::CYCLIC && z == WORD_BITS {
                let parity = graph.edges(layer).fold(self.syndrome[layer], |sum, edge| {
                    sum ^ self.decision[graph.block(edge)].rotate_right(graph.shift(edge) as u32)
                });
                count += parity.count_ones();
            } else {
                for lane in 0..z {
                    let check = layer * z + lane;
                    let parity = graph.edges(layer).fold(bits::get(self.syndrome, check), |sum, edge| {
                        let variable = graph.block(edge) * z + (lane + graph.shift(edge)) % z;
                        sum ^ bits::get(self.decision, variable)
                    });
                    count += u32::from(parity);
                }
            }
            if count > 0 && !all {
                break;
            }
        }
        count
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "one layer's operands")]
fn update_layer<A: Arithmetic, const L: usize, const D: usize>(
    rule: &A,
    slots: &mut [A::Slot<L>; D],
    syndrome: &[u64],
    layer: usize,
    z: usize,
    edges: core::ops::Range<usize>,
    inputs: &mut [A::Posterior],
    messages: &mut [A::Message],
) {
    let slots = &mut slots[..edges.len()];
    let messages = &mut messages[edges.start * z..edges.end * z];
    for lane in (0..z).step_by(L) {
        let mut running = A::begin(&signs::<L>(syndrome, layer * z + lane));
        for (slot, input) in slots.iter_mut().zip(inputs.chunks_exact(z)) {
            if let Some(incoming) = input[lane..].first_chunk::<L>() {
                running = rule.absorb(running, slot, incoming);
            }
        }
        running = A::turn(running);
        let edges = messages.chunks_exact_mut(z).zip(inputs.chunks_exact_mut(z));
        for (slot, (message, input)) in slots.iter().zip(edges).rev() {
            let lanes = input[lane..].first_chunk_mut::<L>().zip(message[lane..].first_chunk_mut::<L>());
            if let Some((incoming, outgoing)) = lanes {
                running = rule.emit(running, slot, incoming, outgoing);
            }
        }
    }
}

/// Adds every message to the posterior of its variable.
#[cfg_attr(target_arch = "wasm32", inline(never))]
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
pub(super) fn add_messages<A: Arithmetic, G: Layers>(
    graph: &G,
    messages: &[A::Message],
    posteriors: &mut [A::Posterior],
) {
    let z = graph.z();
    let stride = if G::CYCLIC { 2 * z } else { 1 };
    for layer in 0..graph.layers() {
        for edge in graph.edges(layer) {
            let sum = &mut posteriors[graph.block(edge) * stride..][..z];
            combine_turned(sum, &messages[edge * z..][..z], turn_from_rest(graph, z, edge), A::add);
        }
    }
    if G::CYCLIC {
        for pair in posteriors[..graph.blocks() * stride].chunks_exact_mut(stride) {
            pair.copy_within(..z, z);
        }
    }
}

/// How far edge `edge` turns its block out of the rest frame.
#[inline(always)]
fn turn_from_rest(graph: &impl Layers, z: usize, edge: usize) -> usize {
    (graph.shift(edge) + z - graph.rest(graph.block(edge))) % z
}

/// Lane i of `messages` stands at (i + turn) mod z of the block's `sums`.
#[inline(always)]
fn combine_turned<P: Copy, M: Copy>(
    sums: &mut [P],
    messages: &[M],
    turn: usize,
    combine: impl Fn(P, M) -> P,
) {
    let (head, tail) = messages.split_at(messages.len() - turn);
    let (wrapped, straight) = sums.split_at_mut(turn);
    // Two plain loops: one over a chain of both parts does not vectorise.
    straight.iter_mut().zip(head).for_each(|(sum, &message)| *sum = combine(*sum, message));
    wrapped.iter_mut().zip(tail).for_each(|(sum, &message)| *sum = combine(*sum, message));
}

#[inline(always)]
fn subtract_lanes<A: Arithmetic, const L: usize>(
    posteriors: &[A::Posterior],
    messages: &[A::Message],
    out: &mut [A::Posterior],
) {
    let chunks = out.as_chunks_mut::<L>().0.iter_mut();
    for ((out, p), m) in chunks.zip(posteriors.as_chunks::<L>().0).zip(messages.as_chunks::<L>().0) {
        let mut lanes = [A::Posterior::default(); L];
        for i in 0..L {
            lanes[i] = A::subtract(p[i], m[i]);
        }
        *out = lanes;
    }
}

/// One sign per lane, 64 lanes to a word: eight 0/1 bytes gather by one multiplication.
#[inline(always)]
fn pack_signs<A: Arithmetic>(lanes: &[A::Posterior; WORD_BITS]) -> u64 {
    let mut flags = [0u8; WORD_BITS];
    for i in 0..WORD_BITS {
        flags[i] = A::is_one(lanes[i]);
    }
    let mut word = 0;
    for (i, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
        word |= u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56 << (8 * i);
    }
    word
}

/// Bit 7 of each lane: the syndrome bits from `at` on.
#[inline(always)]
fn signs<const L: usize>(syndrome: &[u64], at: usize) -> [u8; L] {
    let mut out = [0; L];
    if L < 8 {
        for (i, sign) in out.iter_mut().enumerate() {
            *sign = u8::from(bits::get(syndrome, at + i)) << 7;
        }
        return out;
    }
    let word = syndrome[at / WORD_BITS] >> (at % WORD_BITS);
    for (i, eight) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // Byte j keeps bit j of the spread byte; the sum carries it into the byte's top bit.
        let spread = (word >> (8 * i) & 0xff).wrapping_mul(0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
        *eight = (spread.wrapping_add(0x0040_6070_787c_7e7f) & 0x8080_8080_8080_8080).to_le_bytes();
    }
    out
}
