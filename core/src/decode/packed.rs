//! The 8-bit decoder for small cores: [`Corrected`]'s messages, four checks to a word of 32 bits.
//!
//! It gives the bits of [`Corrected`], layered and with its default constants, in half the memory. Of a column of up to three circulants no posterior is
//! kept: it is the prior and three messages, and the prior is in masks and frame, which stay where the caller has them. In
//! the others a layer's inputs take the place of the posteriors, and of the messages that they replace.

mod lanes;

use self::lanes::{
    HALVES, INPUT, Lanes, MAGNITUDE, NOTHING, Prior, Wide, absorb, add_messages, decide, emit, hold,
    load_prior, message_at, signed, spread_signs, subtract_messages, sum, word_of,
};
use super::{Arithmetic, Corrected, Outcome};
use crate::bits::{WORD_BITS, words_for};
use crate::code::{LengthError, MAX_BASE_COLUMNS, QcCode, check_length};
use crate::puncture::Pattern;

/// The circulants of a column of at most [`FEW`]; otherwise where its posteriors stand. The last is its degree.
type Column = [u16; 4];

/// Circulants of a column whose posteriors are computed from its messages.
const FEW: u16 = 3;
/// Circulants of a row whose messages are shorter than the longest.
const LEAST: usize = 3;
/// Circulants of a column in which the posterior of a known bit fits 16 bits.
const MOST: u16 = 99;

const fn words_of<T>(count: usize) -> usize {
    count * size_of::<T>() / size_of::<u32>()
}

/// The state of one decoder over the caller's memory.
///
/// ```
/// use caligo_core::code::{Code, mother_4096};
/// use caligo_core::decode::Packed;
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
/// let mut memory = [0; Packed::words(&mother_4096::CODE)];
/// let mut decision = [0; 64];
/// let mut decoder = Packed::new(&code, &mut memory)?;
/// let channel = Packed::channel(0.02);
/// let outcome = decoder.run(50, channel, &pattern, &received, &syndrome, &mut decision)?;
/// assert!(outcome.converged);
/// assert_eq!(decision, frame);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Packed<'a, 'm> {
    code: QcCode<'a>,
    columns: &'m mut [[u32; 2]],
    messages: &'m mut [Lanes],
    posteriors: &'m mut [Wide],
    before: &'m mut [Lanes],
}

/// What a run reads of the caller's.
struct Input<'r> {
    channel: u32,
    punctured: &'r [u64],
    known: &'r [u64],
    received: &'r [u64],
}

impl<'a, 'm> Packed<'a, 'm> {
    /// Words of 32 bits for `code`.
    pub const fn words(code: &QcCode<'_>) -> usize {
        fixed(code) + words_of::<Wide>(kept(code))
    }

    /// A state over `memory`, of the size [`Self::words`] gives. What it held before has no influence.
    ///
    /// # Errors
    /// [`LengthError`] if the memory has another size, the circulants another than 64, a row has fewer than
    /// three, or a column more than 99.
    pub fn new(code: &QcCode<'a>, memory: &'m mut [u32]) -> Result<Self, LengthError> {
        check_length("circulant size", WORD_BITS, code.z())?;
        let found = memory.len();
        let (columns, rest) = split(memory, code.base_columns());
        let (messages, rest) = split(rest, code.circulants().len());
        let (before, rest) = split(rest, code.max_degree().saturating_sub(1));
        let posteriors = rest.as_chunks_mut().0.as_chunks_mut().0;
        let mut state = Self { code: *code, columns, messages, posteriors, before };
        let (most, kept) = state.find_columns();
        if fixed(code) + words_of::<Wide>(kept.into()) != found {
            return Err(wrong_size(code, found));
        }
        let least = code.rows().map(<[_]>::len).min().unwrap_or(0);
        if least < LEAST {
            return Err(LengthError { what: "check degree", expected: LEAST, found: least });
        }
        if most > MOST {
            return Err(LengthError { what: "column degree", expected: MOST.into(), found: most.into() });
        }
        Ok(state)
    }

    /// What a payload bit's LLR is at an error rate `qber`, in the decoder's units.
    pub fn channel(qber: f64) -> u8 {
        Corrected::STANDARD.quantise(crate::llr::channel_llr(qber) as f32) as u8
    }

    /// Decodes `received`, as received under `pattern`, until the decision meets `syndrome` or `max_iterations` are used
    /// up, and writes the decision (n bits). `channel` is [`Self::channel`] of the error rate.
    ///
    /// It is compiled where it is called: a firmware may optimise that crate for speed and this one for size.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    #[inline]
    pub fn run(
        &mut self,
        max_iterations: u16,
        channel: u8,
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
        let (punctured, known) = (pattern.punctured(), pattern.shortened());
        let input = Input { channel: channel.clamp(1, 127).into(), punctured, known, received };
        self.load(&input);
        for ((out, bits), punctured) in decision.iter_mut().zip(received).zip(punctured) {
            *out = bits & !punctured;
        }
        let mut outcome = Outcome::default();
        loop {
            if outcome.iterations < max_iterations {
                self.iterate(&input, syndrome, decision);
                outcome.iterations += 1;
            }
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
        self.messages.fill(Lanes::default());
        self.posteriors.fill(Wide::default());
        self.before.fill(Lanes::default());
        // So that the writes are not taken for dead ones. Columns are the code's.
        core::hint::black_box((&mut *self.messages, &mut *self.posteriors, &mut *self.before));
    }

    /// The table of columns; the largest degree, and how many keep posteriors.
    fn find_columns(&mut self) -> (u16, u16) {
        self.columns.fill([0; 2]);
        for (edge, c) in self.code.circulants().iter().enumerate() {
            if let Some(slot) = self.columns.get_mut(usize::from(c.column)) {
                let [mut edges @ .., degree] = unpacked(*slot);
                if let Some(place) = edges.get_mut(usize::from(degree)) {
                    *place = edge as u16;
                }
                let [first, second, third] = edges;
                *slot = packed([first, second, third, degree.saturating_add(1)]);
            }
        }
        let (mut most, mut kept) = (0, 0);
        for slot in &mut *self.columns {
            let [first, second, third, degree] = unpacked(*slot);
            most = most.max(degree);
            if degree > FEW {
                *slot = packed([kept, second, third, degree]);
                kept += 1;
            } else {
                *slot = packed([first, second, third, degree]);
            }
        }
        (most, kept)
    }

    fn load(&mut self, input: &Input<'_>) {
        self.messages.fill([NOTHING; 16]);
        for (column, &slot) in self.columns.iter().enumerate() {
            if let Some(wide) = self.posteriors.get_mut(kept_at(slot)) {
                load_prior(wide, input.prior(column, 0));
            }
        }
    }

    #[inline]
    fn iterate(&mut self, input: &Input<'_>, syndrome: &[u64], decision: &mut [u64]) {
        let mut start = 0;
        for (row, &syndrome) in self.code.rows().zip(syndrome) {
            let mut signs = spread_signs(syndrome);
            for (i, c) in row.iter().enumerate() {
                self.take_input(start + i, c.column.into(), c.shift, input);
                let Some(values) = self.messages.get(start + i) else { return };
                let lanes = signs.iter_mut().zip(values);
                if i + 1 == row.len() {
                    lanes.for_each(|(sign, value)| *sign ^= value);
                } else if i == 0 {
                    let Some(before) = self.before.first_mut() else { return };
                    for ((sign, value), before) in lanes.zip(before) {
                        *sign ^= value;
                        *before = value & MAGNITUDE;
                    }
                } else {
                    let Some([last, before]) = self.before.get_mut(i - 1..=i) else { return };
                    absorb(&mut signs, values, last, before);
                }
            }
            // Of the edges behind.
            let mut running = Lanes::default();
            for (i, c) in row.iter().enumerate().rev() {
                let column = usize::from(c.column);
                let (Some(messages), Some(&slot)) =
                    (self.messages.get_mut(start + i), self.columns.get(column))
                else {
                    return;
                };
                let values = is_last(slot, start + i).then_some(*messages);
                let lanes = messages.iter_mut().zip(&mut running).zip(&signs);
                if i == 0 {
                    for ((message, running), sign) in lanes {
                        *message = signed(*running, *message ^ sign);
                    }
                } else {
                    let Some(before) = self.before.get(i - 1) else { return };
                    if i + 1 == row.len() {
                        for (((message, running), sign), before) in lanes.zip(before) {
                            let value = *message;
                            *message = signed(*before, value ^ sign);
                            *running = value & MAGNITUDE;
                        }
                    } else {
                        emit(messages, &mut running, &signs, before);
                    }
                }
                if let Some(wide) = self.posteriors.get_mut(kept_at(slot)) {
                    add_messages(wide, messages, c.shift);
                } else if let Some((values, word)) = values.zip(decision.get_mut(column)) {
                    *word = decide(&values, messages).rotate_left(c.shift.into());
                }
            }
            start += row.len();
        }
        self.decide(decision);
    }

    /// Edge `edge`'s inputs, clamped: sign and magnitude in place of its messages. In posteriors that are kept they stay as
    /// they are.
    #[inline(always)]
    fn take_input(&mut self, edge: usize, column: usize, shift: u16, input: &Input<'_>) {
        let Some(&slot) = self.columns.get(column) else { return };
        if let Some(wide) = self.posteriors.get_mut(kept_at(slot)) {
            if let Some(messages) = self.messages.get_mut(edge) {
                subtract_messages(wide, messages, shift);
            }
            return;
        }
        let prior = input.prior(column, shift);
        let Some((values, first, second)) = others(self.messages, &self.code, slot, edge, shift) else {
            return;
        };
        let first = first.unwrap_or((&[NOTHING; 16], 0));
        match second {
            None => sum(prior, first, |_| None, values),
            Some((lanes, turn)) => sum(prior, first, |w| Some(message_at(lanes, w + turn)), values),
        }
        if prior.known != 0 {
            hold(values, prior.known, prior.ones);
        }
    }

    /// Decides the columns whose posteriors are kept.
    fn decide(&self, decision: &mut [u64]) {
        for (out, &slot) in decision.iter_mut().zip(&*self.columns) {
            if let Some(wide) = self.posteriors.get(kept_at(slot)) {
                *out = word_of(wide.map(|lanes| {
                    let sign = |lane: u32| !lane.wrapping_sub(0x80 * HALVES) & INPUT;
                    lanes.iter().fold(0, |signs, &lane| signs >> 1 | sign(lane))
                }));
            }
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

impl Input<'_> {
    /// The priors of a column, in the lanes of a check of shift `shift`.
    #[inline(always)]
    fn prior(&self, column: usize, shift: u16) -> Prior {
        let word = |words: &[u64]| words.get(column).copied().unwrap_or(0);
        let said = !word(self.punctured);
        let turned = |word: u64| (word & said).rotate_right(shift.into());
        let bits = word(self.received);
        Prior {
            channel: self.channel,
            known: turned(word(self.known)),
            zeros: turned(!bits),
            ones: turned(bits),
        }
    }
}

/// Messages of another check of a column, and how far they are turned.
type Other<'m> = Option<(&'m Lanes, usize)>;

/// The messages of `edge` to write to, and those of its column's other circulants: lane i of `edge` is their lane i + turn.
#[inline(always)]
fn others<'m>(
    messages: &'m mut [Lanes],
    code: &QcCode<'_>,
    slot: [u32; 2],
    edge: usize,
    shift: u16,
) -> Option<(&'m mut Lanes, Other<'m>, Other<'m>)> {
    let (before, rest) = messages.split_at_mut_checked(edge)?;
    let (own, behind) = rest.split_first_mut()?;
    let (before, behind) = (&*before, &*behind);
    let other = |other: u16| {
        let other = usize::from(other);
        let lanes = match other.checked_sub(edge + 1) {
            Some(place) => behind.get(place),
            None => before.get(other),
        };
        let turn = shift.wrapping_sub(code.circulants().get(other)?.shift) % 64;
        Some((lanes?, usize::from(turn)))
    };
    let [a, b, c, degree] = unpacked(slot);
    let is = |listed: u16| usize::from(listed) == edge;
    let (first, second) = if is(a) { (b, c) } else { (a, if is(b) { c } else { b }) };
    Some((own, if degree > 1 { other(first) } else { None }, if degree > 2 { other(second) } else { None }))
}

#[cold]
#[inline(never)]
fn wrong_size(code: &QcCode<'_>, found: usize) -> LengthError {
    LengthError { what: "words", expected: Packed::words(code), found }
}

/// Words for all but posteriors.
const fn fixed(code: &QcCode<'_>) -> usize {
    words_of::<Column>(code.base_columns())
        + words_of::<Lanes>(code.circulants().len())
        + words_of::<Lanes>(code.max_degree().saturating_sub(1))
}

/// Base columns whose posteriors are kept.
const fn kept(code: &QcCode<'_>) -> usize {
    let (mut degrees, mut kept, mut rest) = ([0u8; MAX_BASE_COLUMNS], 0, code.circulants());
    while let [first, others @ ..] = rest {
        let column = first.column as usize;
        if column < degrees.len() && degrees[column] <= FEW as u8 {
            degrees[column] += 1;
            if degrees[column] > FEW as u8 {
                kept += 1;
            }
        }
        rest = others;
    }
    kept
}

/// The first `count` groups of `W` words, or as many as there are, and what follows.
fn split<const W: usize>(words: &mut [u32], count: usize) -> (&mut [[u32; W]], &mut [u32]) {
    let at = (W * count).min(words.len());
    let (groups, rest) = words.split_at_mut(at);
    (groups.as_chunks_mut::<W>().0, rest)
}

const fn packed([a, b, c, d]: Column) -> [u32; 2] {
    [a as u32 | (b as u32) << 16, c as u32 | (d as u32) << 16]
}

const fn unpacked([low, high]: [u32; 2]) -> Column {
    [low as u16, (low >> 16) as u16, high as u16, (high >> 16) as u16]
}

/// Where a column's posteriors are; nowhere if they are not kept.
#[inline(always)]
fn kept_at([low, high]: [u32; 2]) -> usize {
    if high >> 16 > FEW as u32 { (low & 0xffff) as usize } else { usize::MAX }
}

/// Whether `edge` is the last of a column whose posteriors are not kept.
#[inline(always)]
fn is_last(slot: [u32; 2], edge: usize) -> bool {
    let [edges @ .., degree] = unpacked(slot);
    edges.get(usize::from(degree).wrapping_sub(1)).is_some_and(|&last| usize::from(last) == edge)
}
