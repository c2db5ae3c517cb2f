//! Bit-sliced min-sum over few levels: a word holds one bit of 64 variables, a plane one word of each
//! of several frames.
//!
//! A posterior is an integer x that stands for 2x + 1, so that its negative is NOT x and nothing is its
//! own negative. A message is a sign and a level, the number of thresholds that an input reaches. One bit
//! for each threshold makes the least of several levels an AND, and what a level adds to a posterior is
//! tuned, not derived from its threshold (reconstruction, computation, quantisation: Terrill, Wang, Stark
//! and Wesel, "RCQ", 2021). Of each check its least and second least level are kept, of each edge a sign
//! and whether it alone had the least: two bits an edge.
//!
//! It decodes in fewer instructions than any other arithmetic here and fails where a pattern punctures
//! much: the first pass of a cascade.

pub mod alphabet;
pub mod lanes;

use crate::bits::{WORD_BITS, words_for};
use crate::code::{Circulant, Layers, LengthError, QcCode, check_length};
use crate::puncture::Pattern;
use alphabet::{Alphabet, VALUE_BITS};
use lanes::Lanes;

/// Room for the planes of an input, at most nine, or for the levels.
pub(super) const LOCAL: usize = 9;

/// The body once for each number, which is a constant in it: planes indexed by a variable would stay in
/// memory.
macro_rules! unroll {
    ($i:ident below $end:expr, $body:block) => { unroll!(@ $i $end, $body, 0 1 2 3 4 5 6 7 8) };
    (@ $i:ident $end:expr, $body:block, $($n:literal)*) => {
        $({
            let $i: usize = $n;
            if $i < $end $body
        })*
    };
}

pub(super) use unroll;

/// Words of a [`Sliced`] for one frame; planes, for as many as its lanes decode together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlicedLayout {
    /// Posteriors.
    pub posteriors: usize,
    /// Known positions and their values.
    pub known: usize,
    /// Messages: two for an edge of the base matrix.
    pub edges: usize,
    /// Least and second least level of each base row's checks.
    pub least: usize,
    /// The syndrome.
    pub syndrome: usize,
    /// Inputs of one base row.
    pub inputs: usize,
}

impl SlicedLayout {
    /// Layout for `code`.
    pub const fn of<A: Alphabet>(code: &QcCode<'_>) -> Self {
        Self {
            posteriors: code.base_columns() * A::PLANES,
            known: 2 * code.base_columns(),
            edges: 2 * code.circulants().len(),
            least: 2 * code.base_rows() * A::LEVELS,
            syndrome: code.base_rows(),
            inputs: code.max_degree() * (A::PLANES + 1 + A::LEVELS),
        }
    }

    /// All of it.
    pub const fn total(&self) -> usize {
        self.posteriors + self.known + self.edges + self.least + self.syndrome + self.inputs
    }
}

/// The state of [`Lanes::FRAMES`] decoders over the caller's memory. What happens to one frame does not
/// depend on the others.
#[derive(Debug)]
pub struct Sliced<'a, 'm, A, L: Lanes> {
    code: QcCode<'a>,
    lanes: L,
    posteriors: &'m mut [L::Plane],
    known: &'m mut [L::Plane],
    edges: &'m mut [L::Plane],
    least: &'m mut [L::Plane],
    syndrome: &'m mut [L::Plane],
    inputs: &'m mut [L::Plane],
    /// Bit i: frame i has positions known beforehand.
    shortened: u64,
    alphabet: core::marker::PhantomData<A>,
}

impl<'a, 'm, A: Alphabet, L: Lanes> Sliced<'a, 'm, A, L> {
    /// A state over `memory`, of the size [`SlicedLayout::total`] gives.
    ///
    /// # Errors
    /// [`LengthError`] if the memory has another size, or the circulants another than 64.
    pub fn new(code: &QcCode<'a>, lanes: L, memory: &'m mut [L::Plane]) -> Result<Self, LengthError> {
        let layout = SlicedLayout::of::<A>(code);
        check_length("circulant size", WORD_BITS, code.z())?;
        check_length("planes", layout.total(), memory.len())?;
        let (posteriors, rest) = memory.split_at_mut(layout.posteriors);
        let (known, rest) = rest.split_at_mut(layout.known);
        let (edges, rest) = rest.split_at_mut(layout.edges);
        let (least, rest) = rest.split_at_mut(layout.least);
        let (syndrome, inputs) = rest.split_at_mut(layout.syndrome);
        let alphabet = core::marker::PhantomData;
        Ok(Self {
            code: *code,
            lanes,
            posteriors,
            known,
            edges,
            least,
            syndrome,
            inputs,
            shortened: 0,
            alphabet,
        })
    }

    /// Starts `frame` (below [`Lanes::FRAMES`]): `received` as received under `pattern`, to be decoded to
    /// `syndrome`.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code or there is no such frame.
    #[inline(always)]
    pub fn load(
        &mut self,
        frame: usize,
        pattern: &Pattern<'_>,
        received: &[u64],
        syndrome: &[u64],
    ) -> Result<(), LengthError> {
        let (code, lanes) = (self.code, self.lanes);
        check_length("pattern", code.base_columns() * WORD_BITS, pattern.n())?;
        check_length("frame words", words_for(pattern.n()), received.len())?;
        check_length("syndrome words", code.base_rows(), syndrome.len())?;
        if frame >= L::FRAMES {
            return Err(LengthError { what: "frame number", expected: L::FRAMES, found: frame });
        }
        let mut any = 0;
        let masks = received.iter().zip(pattern.punctured()).zip(pattern.shortened()).enumerate();
        let planes = self.posteriors.chunks_exact_mut(A::PLANES).zip(self.known.chunks_exact_mut(2));
        for ((block, ((&word, &punctured), &shortened)), (planes, known)) in masks.zip(planes) {
            let payload = !(punctured | shortened);
            // Whatever stands at a punctured position says nothing.
            let word = word & !punctured;
            for (bit, plane) in planes.iter_mut().enumerate() {
                // Bits of the magnitude: all ones where known, none where punctured. The sign is the bit received.
                let prior = if A::PRIOR >> bit & 1 == 1 { payload } else { 0 };
                let magnitude = if bit + 1 == A::PLANES { 0 } else { shortened | prior };
                lanes.set_word(plane, frame, (word ^ magnitude).rotate_right(code.rest(block) as u32));
            }
            any |= shortened;
            lanes.set_word(&mut known[0], frame, shortened);
            lanes.set_word(&mut known[1], frame, word & shortened);
        }
        // Messages of level 0 are nothing, whatever their signs.
        for plane in &mut *self.least {
            lanes.set_word(plane, frame, 0);
        }
        for (plane, &word) in self.syndrome.iter_mut().zip(syndrome) {
            lanes.set_word(plane, frame, word);
        }
        self.shortened = self.shortened & !(1 << frame) | u64::from(any != 0) << frame;
        Ok(())
    }

    /// One layered iteration of every frame.
    #[inline(always)]
    pub fn iterate(&mut self) {
        if self.shortened == 0 { self.layers::<false>() } else { self.layers::<true>() }
    }

    #[inline(always)]
    fn layers<const KNOWN: bool>(&mut self) {
        for layer in 0..self.code.layers() {
            self.layer::<KNOWN>(layer);
        }
    }

    #[inline(always)]
    fn layer<const KNOWN: bool>(&mut self, layer: usize) {
        let (code, lanes) = (self.code, self.lanes);
        let width = A::PLANES + 1 + A::LEVELS;
        let (row, range) = (code.row(layer), code.edges(layer));
        let edges = &mut self.edges[2 * range.start..2 * range.end];
        let least = &mut self.least[2 * A::LEVELS * layer..][..2 * A::LEVELS];
        let (zeros, ones) = (lanes.splat(0), lanes.splat(u64::MAX));
        let (mut first, mut second) = ([ones; LOCAL], [ones; LOCAL]);
        let mut sign = self.syndrome[layer];
        let before = tied::<A, L>(lanes, least);
        let inputs = self.inputs.chunks_exact_mut(width);
        for ((c, edge), input) in row.iter().zip(edges.chunks_exact(2)).zip(inputs) {
            let posterior = &self.posteriors[usize::from(c.column) * A::PLANES..][..A::PLANES];
            let (mut x, mut level) = ([zeros; LOCAL], [zeros; LOCAL]);
            unroll!(b below A::PLANES, {
                x[b] = lanes.rotate_right(posterior[b], c.turn.into());
            });
            unroll!(t below A::LEVELS, {
                level[t] = lanes.select(edge[1], least[A::LEVELS + t], least[t]);
            });
            x[A::PLANES] = x[A::PLANES - 1];
            let x = add_message::<A, L>(lanes, &x, &level, before, lanes.not(edge[0]));
            let level = levels::<A, L>(lanes, &x);
            sign = lanes.xor(sign, x[A::PLANES]);
            unroll!(t below A::LEVELS, {
                second[t] = lanes.and(second[t], lanes.or(first[t], level[t]));
                first[t] = lanes.and(first[t], level[t]);
                input[A::PLANES + 1 + t] = level[t];
            });
            unroll!(b below A::PLANES + 1, {
                input[b] = x[b];
            });
        }
        unroll!(t below A::LEVELS, {
            least[t] = first[t];
            least[A::LEVELS + t] = second[t];
        });
        let tie = tied::<A, L>(lanes, least);
        let inputs = self.inputs.chunks_exact(width);
        for ((c, edge), input) in row.iter().zip(edges.chunks_exact_mut(2)).zip(inputs) {
            let (mut x, mut level, mut alone) = ([zeros; LOCAL], [zeros; LOCAL], zeros);
            unroll!(b below A::PLANES + 1, {
                x[b] = input[b];
            });
            unroll!(t below A::LEVELS, {
                level[t] = lanes.or(first[t], lanes.and_not(input[A::PLANES + 1 + t], second[t]));
                alone = lanes.or(alone, lanes.and_not(first[t], level[t]));
            });
            let outgoing = lanes.xor(sign, x[A::PLANES]);
            edge[0] = outgoing;
            edge[1] = alone;
            let sum = add_message::<A, L>(lanes, &x, &level, tie, outgoing);
            let posterior = &mut self.posteriors[usize::from(c.column) * A::PLANES..][..A::PLANES];
            saturate::<A, L>(lanes, &sum, posterior);
            if KNOWN {
                freeze::<A, L>(lanes, *c, self.known, posterior);
            }
        }
    }

    /// Frames whose decision meets every check, bit i for frame i.
    #[inline(always)]
    pub fn satisfied(&self) -> u64 {
        let (code, lanes) = (self.code, self.lanes);
        let mut unsatisfied = lanes.splat(0);
        for (layer, &syndrome) in self.syndrome.iter().enumerate() {
            let parity = code.row(layer).iter().fold(syndrome, |sum, c| {
                let column = usize::from(c.column);
                let turn = (usize::from(c.shift) + WORD_BITS - code.rest(column)) % WORD_BITS;
                let sign = self.posteriors[column * A::PLANES + A::PLANES - 1];
                lanes.xor(sum, lanes.rotate_right(sign, turn as u32))
            });
            unsatisfied = lanes.or(unsatisfied, parity);
        }
        (0..L::FRAMES).fold(0, |all, i| all | u64::from(lanes.word(&unsatisfied, i) == 0) << i)
    }

    /// Writes the decision of `frame` (n bits).
    ///
    /// # Errors
    /// [`LengthError`] if the decision does not fit the code or there is no such frame.
    #[inline(always)]
    pub fn decision(&self, frame: usize, decision: &mut [u64]) -> Result<(), LengthError> {
        let (code, lanes) = (self.code, self.lanes);
        check_length("decision words", code.base_columns(), decision.len())?;
        if frame >= L::FRAMES {
            return Err(LengthError { what: "frame number", expected: L::FRAMES, found: frame });
        }
        let blocks = self.posteriors.chunks_exact(A::PLANES);
        for (block, (out, planes)) in decision.iter_mut().zip(blocks).enumerate() {
            *out = lanes.word(&planes[A::PLANES - 1], frame).rotate_left(code.rest(block) as u32);
        }
        Ok(())
    }
}

/// Where a check's least and second least level are the same; nowhere if the alphabet does not care.
#[inline(always)]
fn tied<A: Alphabet, L: Lanes>(lanes: L, least: &[L::Plane]) -> L::Plane {
    let mut differ = lanes.splat(0);
    if A::TIED.is_none() {
        return differ;
    }
    unroll!(t below A::LEVELS, {
        differ = lanes.or(differ, lanes.xor(least[t], least[A::LEVELS + t]));
    });
    lanes.not(differ)
}

/// x plus the message of `level`, `tie` and `sign`, in the planes of an input: one more than a posterior has.
#[inline(always)]
fn add_message<A: Alphabet, L: Lanes>(
    lanes: L,
    x: &[L::Plane; LOCAL],
    level: &[L::Plane; LOCAL],
    tie: L::Plane,
    sign: L::Plane,
) -> [L::Plane; LOCAL] {
    // Two's complement: -v is NOT v and a carry.
    let (mut sum, mut carry) = ([lanes.splat(0); LOCAL], sign);
    unroll!(b below A::PLANES + 1, {
        let term = if b < VALUE_BITS { lanes.xor(value_bit::<A, L>(lanes, level, tie, b), sign) } else { sign };
        sum[b] = lanes.xor3(x[b], term, carry);
        carry = lanes.majority(x[b], term, carry);
    });
    // The sum never leaves its planes.
    let _ = carry;
    sum
}

/// Bit `b` of what `level` adds.
#[inline(always)]
fn value_bit<A: Alphabet, L: Lanes>(
    lanes: L,
    level: &[L::Plane; LOCAL],
    tie: L::Plane,
    b: usize,
) -> L::Plane {
    let bit = bit_of::<A, L>(lanes, &A::VALUES, level, b);
    match &A::TIED {
        Some(values) => lanes.select(tie, bit_of::<A, L>(lanes, values, level, b), bit),
        None => bit,
    }
}

/// Bit `b` of the value of `level`: it changes at each level whose value differs in it from the level below.
#[inline(always)]
fn bit_of<A: Alphabet, L: Lanes>(
    lanes: L,
    values: &[u16; LOCAL + 1],
    level: &[L::Plane; LOCAL],
    b: usize,
) -> L::Plane {
    let mut bit = lanes.splat(0);
    unroll!(t below A::LEVELS, {
        if (values[t] ^ values[t + 1]) >> b & 1 == 1 {
            bit = lanes.xor(bit, level[t]);
        }
    });
    bit
}

/// For each threshold, where x or NOT x reaches it.
#[inline(always)]
fn levels<A: Alphabet, L: Lanes>(lanes: L, x: &[L::Plane; LOCAL]) -> [L::Plane; LOCAL] {
    let (mut magnitude, mut level) = ([lanes.splat(0); LOCAL], [lanes.splat(0); LOCAL]);
    unroll!(b below A::PLANES, {
        magnitude[b] = lanes.xor(x[b], x[A::PLANES]);
    });
    unroll!(t below A::LEVELS, {
        // From the lowest bit up: where the bits so far are at least the threshold's.
        let mut reached = lanes.splat(u64::MAX);
        unroll!(b below A::PLANES, {
            reached = if A::THRESHOLDS[t] >> b & 1 == 1 {
                lanes.and(reached, magnitude[b])
            } else {
                lanes.or(reached, magnitude[b])
            };
        });
        level[t] = reached;
    });
    level
}

/// An input's planes to those of a posterior.
#[inline(always)]
fn saturate<A: Alphabet, L: Lanes>(lanes: L, sum: &[L::Plane; LOCAL], posterior: &mut [L::Plane]) {
    let negative = sum[A::PLANES];
    let over = lanes.xor(negative, sum[A::PLANES - 1]);
    unroll!(b below A::PLANES - 1, {
        posterior[b] = lanes.or(lanes.and_not(over, sum[b]), lanes.and_not(negative, over));
    });
    posterior[A::PLANES - 1] = negative;
}

/// Sets known positions to the largest magnitude and their value.
#[inline(always)]
fn freeze<A: Alphabet, L: Lanes>(lanes: L, c: Circulant, known: &[L::Plane], posterior: &mut [L::Plane]) {
    let at = 2 * usize::from(c.column);
    let mask = lanes.rotate_right(known[at], c.shift.into());
    let value = lanes.rotate_right(known[at + 1], c.shift.into());
    unroll!(b below A::PLANES - 1, {
        posterior[b] = lanes.select(mask, lanes.not(value), posterior[b]);
    });
    posterior[A::PLANES - 1] = lanes.select(mask, value, posterior[A::PLANES - 1]);
}
