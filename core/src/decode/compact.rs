//! The decoder for small cores: one frame, 32 checks to a word, [`Steady`]'s messages.
//!
//! It gives the bits of [`Sliced`](super::sliced::Sliced) over the same alphabet, in less memory and with fewer
//! instructions where words have 32 bits: of a check's messages it keeps what the two differing values add, not their
//! levels, and of an edge a sign and whether it alone had the least level. Masks, frame and syndrome stay where the
//! caller has them.

use super::Outcome;
use super::sliced::alphabet::{Alphabet, Steady, VALUE_BITS};
use super::sliced::{LOCAL, unroll};
use crate::bits::{WORD_BITS, words_for};
use crate::code::{Circulant, LengthError, QcCode, check_length};
use crate::puncture::Pattern;

const PLANES: usize = Steady::PLANES;
const LEVELS: usize = Steady::LEVELS;
/// Bits of the largest threshold.
const THRESHOLD_BITS: usize = (u16::BITS - Steady::THRESHOLDS[LEVELS - 1].leading_zeros()) as usize;
const TIED: [u16; LOCAL + 1] = match Steady::TIED {
    Some(values) => values,
    None => Steady::VALUES,
};

/// One bit of 64 variables or checks: the first 32, the others.
type Plane = [u32; 2];
/// A column's posteriors.
type Block = [Plane; PLANES];
/// A circulant's messages: their signs, and which alone had the least level.
type Edge = [Plane; 2];
/// What a base row's checks add: the value where the least level holds, and what is different in it where an edge alone
/// has that level.
type Values = [Plane; 2 * VALUE_BITS];
/// An edge on its way back: its input, and where it has the least level so far.
type Input = [Plane; PLANES + 2];

const fn words_of<T>(count: usize) -> usize {
    count * size_of::<T>() / size_of::<u32>()
}

/// The state of one decoder over the caller's memory.
///
/// ```
/// use caligo_core::code::{Code, mother_4096};
/// use caligo_core::decode::Compact;
/// use caligo_core::puncture::order_4096;
///
/// let code = mother_4096::CODE;
/// let (mut punctured, mut known) = ([0; 64], [0; 64]);
/// let pattern = order_4096::ORDER.pattern(1170, 0, &mut punctured, &mut known)?;
/// let (frame, mut syndrome) = ([0x0123_4567_89ab_cdef; 64], [0; 32]);
/// Code::from(code).syndrome(&frame, &mut syndrome)?;
///
/// let mut received = frame;
/// received[5] ^= 0x0000_1000_0000_0001;
/// let mut memory = [0; Compact::words(&mother_4096::CODE)];
/// let mut decision = [0; 64];
/// let mut decoder = Compact::new(&code, &mut memory)?;
/// let outcome = decoder.run(50, &pattern, &received, &syndrome, &mut decision)?;
/// assert!(outcome.converged);
/// assert_eq!(decision, frame);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Compact<'a, 'm> {
    code: QcCode<'a>,
    blocks: &'m mut [Block],
    edges: &'m mut [Edge],
    values: &'m mut [Values],
    inputs: &'m mut [Input],
}

/// What half a layer's checks gather on the way forth.
struct Running {
    first: [u32; LEVELS],
    second: [u32; LEVELS],
    sign: u32,
}

impl<'a, 'm> Compact<'a, 'm> {
    /// Words of 32 bits for `code`.
    pub const fn words(code: &QcCode<'_>) -> usize {
        words_of::<Block>(code.base_columns())
            + words_of::<Edge>(code.circulants().len())
            + words_of::<Values>(code.base_rows())
            + words_of::<Input>(code.max_degree())
    }

    /// A state over `memory`, of the size [`Self::words`] gives. What it held before has no influence.
    ///
    /// # Errors
    /// [`LengthError`] if the memory has another size, or the circulants another than 64.
    pub fn new(code: &QcCode<'a>, memory: &'m mut [u32]) -> Result<Self, LengthError> {
        check_length("circulant size", WORD_BITS, code.z())?;
        check_length("words", Self::words(code), memory.len())?;
        let (blocks, rest) = split(memory, code.base_columns());
        let (edges, rest) = split(rest, code.circulants().len());
        let (values, rest) = split(rest, code.base_rows());
        let (inputs, _) = split(rest, code.max_degree());
        Ok(Self { code: *code, blocks, edges, values, inputs })
    }

    /// Decodes `received`, as received under `pattern`, until the decision meets `syndrome` or `max_iterations` are used
    /// up, and writes the decision (n bits).
    ///
    /// It is compiled where it is called: a firmware may optimise that crate for speed and this one for size.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    #[inline]
    pub fn run(
        &mut self,
        max_iterations: u16,
        pattern: &Pattern<'_>,
        received: &[u64],
        syndrome: &[u64],
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError> {
        let code = self.code;
        check_length("pattern", code.base_columns() * WORD_BITS, pattern.n())?;
        check_length("frame words", words_for(pattern.n()), received.len())?;
        check_length("syndrome words", code.base_rows(), syndrome.len())?;
        check_length("decision words", received.len(), decision.len())?;
        self.load(pattern, received);
        let known = pattern.shortened().iter().any(|&word| word != 0);
        let mut outcome = Outcome::default();
        loop {
            if outcome.iterations < max_iterations {
                if known {
                    self.iterate::<true>(syndrome, pattern.shortened(), received);
                } else {
                    self.iterate::<false>(syndrome, pattern.shortened(), received);
                }
                outcome.iterations += 1;
            }
            self.decide(decision);
            let last = outcome.iterations == max_iterations;
            outcome.unsatisfied = self.unsatisfied(syndrome, decision, last);
            outcome.converged = outcome.unsatisfied == 0;
            if outcome.converged || last {
                return Ok(outcome);
            }
        }
    }

    /// Overwrites everything: what the decoder believed is nearly the key.
    pub fn clear(&mut self) {
        self.blocks.fill(Block::default());
        self.edges.fill(Edge::default());
        self.values.fill(Values::default());
        self.inputs.fill(Input::default());
        // So that the writes are not taken for dead ones.
        core::hint::black_box((&mut *self.blocks, &mut *self.edges, &mut *self.values, &mut *self.inputs));
    }

    fn load(&mut self, pattern: &Pattern<'_>, received: &[u64]) {
        let masks = received.iter().zip(pattern.punctured()).zip(pattern.shortened());
        for ((((&word, &punctured), &known), block), &rest) in
            masks.zip(&mut *self.blocks).zip(self.code.rests())
        {
            let payload = !(punctured | known);
            // Whatever stands at a punctured position says nothing.
            let word = word & !punctured;
            for (bit, plane) in block.iter_mut().enumerate() {
                // Bits of the magnitude: all ones where known, none where punctured. The sign is the bit received.
                let prior = if Steady::PRIOR >> bit & 1 == 1 { payload } else { 0 };
                let magnitude = if bit + 1 == PLANES { 0 } else { known | prior };
                *plane = halves((word ^ magnitude).rotate_right(rest.into()));
            }
        }
        // Messages that add nothing, whatever their signs.
        self.values.fill(Values::default());
    }

    #[inline]
    fn iterate<const KNOWN: bool>(&mut self, syndrome: &[u64], known: &[u64], received: &[u64]) {
        let Self { code, blocks, edges, values, inputs } = self;
        let mut edges = &mut **edges;
        for ((row, values), &syndrome) in code.rows().zip(&mut **values).zip(syndrome) {
            let Some((here, rest)) = core::mem::take(&mut edges).split_at_mut_checked(row.len()) else {
                return;
            };
            edges = rest;
            let syndrome = halves(syndrome);
            let running =
                [0, 1].map(|half| forth(row, blocks, here, values, inputs, syndrome[half & 1], half));
            for (half, running) in running.iter().enumerate() {
                let (value, other) = values_of(running);
                for (b, (value, other)) in value.into_iter().zip(other).enumerate() {
                    if let (Some(v), true) = (values.get_mut(b), b < VALUE_BITS) {
                        v[half & 1] = value;
                    }
                    if let Some(v) = values.get_mut(VALUE_BITS + b) {
                        v[half & 1] = other;
                    }
                }
                let known = |c: &Circulant| {
                    let column = usize::from(c.column);
                    let mask = known.get(column).copied().unwrap_or(0);
                    let value = received.get(column).copied().unwrap_or(0) & mask;
                    [mask, value].map(|word| turned(halves(word), c.shift, half))
                };
                back::<KNOWN>(row, blocks, here, (&value, &other), inputs, running.sign, half, known);
            }
        }
    }

    fn decide(&self, decision: &mut [u64]) {
        for ((out, block), &rest) in decision.iter_mut().zip(&*self.blocks).zip(self.code.rests()) {
            let [low, high] = block[PLANES - 1];
            *out = (u64::from(high) << 32 | u64::from(low)).rotate_left(rest.into());
        }
    }

    /// Checks not satisfied; stops at the first row with any unless `all` are to be counted.
    fn unsatisfied(&self, syndrome: &[u64], decision: &[u64], all: bool) -> u32 {
        let mut count = 0;
        for (row, &syndrome) in self.code.rows().zip(syndrome) {
            let parity = row.iter().fold(syndrome, |sum, c| {
                let word = decision.get(usize::from(c.column)).copied().unwrap_or(0);
                sum ^ word.rotate_right(c.shift.into())
            });
            count += parity.count_ones();
            if count > 0 && !all {
                break;
            }
        }
        count
    }
}

/// The first `count` groups of `P` planes, or as many as there are, and what follows.
fn split<const P: usize>(words: &mut [u32], count: usize) -> (&mut [[Plane; P]], &mut [u32]) {
    let at = words_of::<[Plane; P]>(count).min(words.len());
    let (groups, rest) = words.split_at_mut(at);
    (groups.as_chunks_mut::<2>().0.as_chunks_mut::<P>().0, rest)
}

const fn halves(word: u64) -> Plane {
    [word as u32, (word >> 32) as u32]
}

/// Half of the 64 bits of `plane` turned right by `by`, below 64.
#[inline(always)]
fn turned(plane: Plane, by: u16, half: usize) -> u32 {
    let (from, by) = (usize::from(by / 32) + half, u32::from(by % 32));
    plane[from & 1] >> by | plane[(from & 1) ^ 1].unbounded_shl(32 - by)
}

/// x plus the message of `value` and `sign` (all ones where it is negative).
#[inline(always)]
fn add(x: &[u32; PLANES + 1], value: &[u32; VALUE_BITS], sign: u32) -> [u32; PLANES + 1] {
    // Two's complement: -v is NOT v and a carry.
    let (mut sum, mut carry) = ([0; PLANES + 1], sign);
    unroll!(b below PLANES + 1, {
        let term = if b < VALUE_BITS { value[b % VALUE_BITS] ^ sign } else { sign };
        let differ = x[b] ^ term;
        sum[b] = differ ^ carry;
        carry = x[b] ^ (differ & (x[b] ^ carry));
    });
    // The sum never leaves its planes.
    let _ = carry;
    sum
}

/// The way forth for half a layer: inputs into `inputs`, and what they come to.
#[inline(always)]
fn forth(
    row: &[Circulant],
    blocks: &[Block],
    edges: &[Edge],
    values: &Values,
    inputs: &mut [Input],
    syndrome: u32,
    half: usize,
) -> Running {
    let half = half & 1;
    let mut running = Running { first: [u32::MAX; LEVELS], second: [u32::MAX; LEVELS], sign: syndrome };
    for ((c, edge), input) in row.iter().zip(edges).zip(inputs) {
        let Some(block) = blocks.get(usize::from(c.column)) else { continue };
        let (mut x, mut value) = ([0; PLANES + 1], [0; VALUE_BITS]);
        unroll!(b below PLANES, {
            x[b] = turned(block[b], c.turn, half);
        });
        x[PLANES] = x[PLANES - 1];
        unroll!(b below VALUE_BITS, {
            value[b] = values[b][half] ^ edge[1][half] & values[VALUE_BITS + b][half];
        });
        let x = add(&x, &value, !edge[0][half]);
        let least = take_level(&mut running, &x);
        running.sign ^= x[PLANES];
        unroll!(b below PLANES + 1, {
            input[b][half] = x[b];
        });
        input[PLANES + 1][half] = least;
    }
    running
}

/// Takes the level of `x` into the least and second least; where it is less than the least so far.
#[inline(always)]
fn take_level(running: &mut Running, x: &[u32; PLANES + 1]) -> u32 {
    let mut magnitude = [0; PLANES];
    unroll!(b below PLANES, {
        magnitude[b] = x[b] ^ x[PLANES];
    });
    let (mut high, mut least) = (0, 0);
    unroll!(b below PLANES, {
        if b >= THRESHOLD_BITS {
            high |= magnitude[b];
        }
    });
    unroll!(t below LEVELS, {
        // From the lowest bit up: where the bits so far are at least the threshold's.
        let mut reached = u32::MAX;
        unroll!(b below THRESHOLD_BITS, {
            if Steady::THRESHOLDS[t] >> b & 1 == 1 { reached &= magnitude[b] } else { reached |= magnitude[b] }
        });
        reached |= high;
        least |= running.first[t] & !reached;
        running.second[t] &= running.first[t] | reached;
        running.first[t] &= reached;
    });
    least
}

/// What messages add where the least level holds, and what is different in it for an edge that alone has that level.
#[inline(always)]
fn values_of(running: &Running) -> ([u32; VALUE_BITS], [u32; VALUE_BITS]) {
    let (mut value, mut other, mut differ) = ([0; VALUE_BITS], [0; VALUE_BITS], 0);
    unroll!(t below LEVELS, {
        differ |= running.first[t] ^ running.second[t];
    });
    unroll!(b below VALUE_BITS, {
        let first = bit_of(&Steady::VALUES, &running.first, b);
        let tied = bit_of(&TIED, &running.first, b);
        value[b] = differ & first | !differ & tied;
        other[b] = differ & (first ^ bit_of(&Steady::VALUES, &running.second, b));
    });
    (value, other)
}

/// Bit `b` of the value of `level`: it changes at each level whose value differs in it from the level below.
#[inline(always)]
fn bit_of(values: &[u16; LOCAL + 1], level: &[u32; LEVELS], b: usize) -> u32 {
    let mut bit = 0;
    unroll!(t below LEVELS, {
        if (values[t] ^ values[t + 1]) >> b & 1 == 1 {
            bit ^= level[t];
        }
    });
    bit
}

/// The way back for half a layer: messages into `edges`, posteriors into `blocks`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "half a layer's operands")]
fn back<const KNOWN: bool>(
    row: &[Circulant],
    blocks: &mut [Block],
    edges: &mut [Edge],
    (value, other): (&[u32; VALUE_BITS], &[u32; VALUE_BITS]),
    inputs: &[Input],
    sign: u32,
    half: usize,
    known: impl Fn(&Circulant) -> [u32; 2],
) {
    let half = half & 1;
    // The last edge that was less than all before it has the least level.
    let mut taken = 0;
    let Some(inputs) = inputs.get(..row.len()) else { return };
    for ((c, edge), input) in row.iter().zip(edges).zip(inputs).rev() {
        let Some(block) = blocks.get_mut(usize::from(c.column)) else { continue };
        let (mut x, mut message) = ([0; PLANES + 1], [0; VALUE_BITS]);
        unroll!(b below PLANES + 1, {
            x[b] = input[b][half];
        });
        let alone = input[PLANES + 1][half] & !taken;
        taken |= alone;
        let outgoing = sign ^ x[PLANES];
        *edge = [with(edge[0], half, outgoing), with(edge[1], half, alone)];
        unroll!(b below VALUE_BITS, {
            message[b] = value[b] ^ alone & other[b];
        });
        let sum = add(&x, &message, outgoing);
        let negative = sum[PLANES];
        let over = negative ^ sum[PLANES - 1];
        let positive_over = over & !negative;
        if KNOWN {
            let [mask, bit] = known(c);
            unroll!(b below PLANES - 1, {
                let saturated = sum[b] & !over | positive_over;
                block[b][half] = mask & !bit | !mask & saturated;
            });
            block[PLANES - 1][half] = mask & bit | !mask & negative;
        } else {
            unroll!(b below PLANES - 1, {
                block[b][half] = sum[b] & !over | positive_over;
            });
            block[PLANES - 1][half] = negative;
        }
    }
}

#[inline(always)]
fn with(mut plane: Plane, half: usize, word: u32) -> Plane {
    plane[half & 1] = word;
    plane
}
