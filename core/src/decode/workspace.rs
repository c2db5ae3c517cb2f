use super::kernel::add_messages;
use super::{Arithmetic, Schedule};
use crate::code::{Code, Layers, LengthError, check_length};

/// Elements of the two buffers of a [`Workspace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Messages: one per edge.
    pub messages: usize,
    /// Posteriors: n (2n for a quasi-cyclic code, whose blocks are kept doubled), one layer's
    /// inputs, and n sums more for the flooding schedule.
    pub posteriors: usize,
}

impl Layout {
    /// Layout for `code` under `schedule`.
    pub const fn of(code: &Code<'_>, schedule: Schedule) -> Self {
        let copies = match code {
            Code::Qc(_) => 2,
            Code::Sparse(_) => 1,
        };
        let sums = match schedule {
            Schedule::Layered => 0,
            Schedule::Flooding => code.n(),
        };
        Self { messages: code.edges(), posteriors: copies * code.n() + code.max_degree() * code.z() + sums }
    }

    /// Bytes for messages of `message` bytes and posteriors of `posterior` bytes.
    pub const fn bytes(&self, message: usize, posterior: usize) -> usize {
        self.messages * message + self.posteriors * posterior
    }
}

/// A decoder's state over the caller's memory: messages and posteriors.
///
/// What it held before [`Workspace::load`] has no influence.
#[derive(Debug)]
pub struct Workspace<'a, A: Arithmetic, M, P> {
    code: Code<'a>,
    schedule: Schedule,
    pub(super) messages: M,
    pub(super) posteriors: P,
    arithmetic: core::marker::PhantomData<A>,
}

impl<'a, A: Arithmetic, M: AsMut<[A::Message]>, P: AsMut<[A::Posterior]>> Workspace<'a, A, M, P> {
    /// A workspace over `messages` and `posteriors`, of the sizes [`Layout::of`] gives.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer has another size.
    pub fn new(
        code: &Code<'a>,
        schedule: Schedule,
        mut messages: M,
        mut posteriors: P,
    ) -> Result<Self, LengthError> {
        let layout = Layout::of(code, schedule);
        check_length("workspace messages", layout.messages, messages.as_mut().len())?;
        check_length("workspace posteriors", layout.posteriors, posteriors.as_mut().len())?;
        Ok(Self { code: *code, schedule, messages, posteriors, arithmetic: core::marker::PhantomData })
    }

    /// The code this workspace is laid out for.
    pub fn code(&self) -> &Code<'a> {
        &self.code
    }

    /// The schedule this workspace is laid out for.
    pub fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// Cold start: posteriors from `llr` (n values), messages zero.
    ///
    /// # Errors
    /// [`LengthError`] if there are not n values.
    #[inline(always)]
    pub fn load(&mut self, llr: &[A::Posterior]) -> Result<(), LengthError> {
        self.messages.as_mut().fill(A::NOTHING);
        self.set_posteriors(llr)
    }

    /// Hot start: posteriors from `llr` (n values) and the messages of the last run. `llr` may differ from that
    /// run's where positions have become known or the channel is better known.
    ///
    /// # Errors
    /// [`LengthError`] if there are not n values.
    #[inline(always)]
    pub fn reload(&mut self, llr: &[A::Posterior]) -> Result<(), LengthError> {
        self.set_posteriors(llr)?;
        let (messages, posteriors) = (self.messages.as_mut(), self.posteriors.as_mut());
        match &self.code {
            Code::Qc(code) => add_messages::<A, _>(code, messages, posteriors),
            Code::Sparse(code) => add_messages::<A, _>(code, messages, posteriors),
        }
        Ok(())
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn set_posteriors(&mut self, llr: &[A::Posterior]) -> Result<(), LengthError> {
        check_length("LLRs", self.code.n(), llr.len())?;
        let posteriors = self.posteriors.as_mut();
        match &self.code {
            Code::Qc(code) => load_blocks(code, llr, posteriors),
            Code::Sparse(_) => posteriors[..llr.len()].copy_from_slice(llr),
        }
        Ok(())
    }

    /// Overwrites everything: what the decoder believed is nearly the key.
    pub fn clear(&mut self) {
        self.messages.as_mut().fill(A::Message::default());
        self.posteriors.as_mut().fill(A::Posterior::default());
        // So that the writes are not taken for dead ones.
        core::hint::black_box((self.messages.as_mut(), self.posteriors.as_mut()));
    }

    /// Freezes `position` at `bit`, as after its disclosure. Messages stay: the next run is a hot
    /// start.
    ///
    /// # Errors
    /// [`LengthError`] if `position` is not below n.
    pub fn reveal(&mut self, position: usize, bit: bool) -> Result<(), LengthError> {
        let n = self.code.n();
        if position >= n {
            return Err(LengthError { what: "position", expected: n, found: position });
        }
        let known = A::signed(A::KNOWN, bit);
        let posteriors = self.posteriors.as_mut();
        match &self.code {
            Code::Qc(code) => {
                let z = code.z();
                let (block, offset) = (position / z, position % z);
                let lane = (offset + z - code.rest(block)) % z;
                posteriors[2 * z * block + lane] = known;
                posteriors[2 * z * block + z + lane] = known;
            }
            Code::Sparse(_) => posteriors[position] = known,
        }
        Ok(())
    }

    /// Posterior of `position`, which is below n.
    pub(super) fn posterior(&mut self, position: usize) -> A::Posterior {
        match &self.code {
            Code::Qc(code) => {
                let z = code.z();
                let block = position / z;
                self.posteriors.as_mut()[2 * z * block + z - code.rest(block) + position % z]
            }
            Code::Sparse(_) => self.posteriors.as_mut()[position],
        }
    }

    /// Writes the posterior of each position (n values): what the decoder believes now.
    ///
    /// # Errors
    /// [`LengthError`] if there is not room for exactly n values.
    pub fn posteriors(&mut self, out: &mut [A::Posterior]) -> Result<(), LengthError> {
        check_length("posteriors", self.code.n(), out.len())?;
        let posteriors = self.posteriors.as_mut();
        match &self.code {
            Code::Qc(code) => {
                let z = code.z();
                for (block, natural) in out.chunks_exact_mut(z).enumerate() {
                    let at = 2 * z * block + z - code.rest(block);
                    natural.copy_from_slice(&posteriors[at..at + z]);
                }
            }
            Code::Sparse(_) => out.copy_from_slice(&posteriors[..out.len()]),
        }
        Ok(())
    }
}

/// Lane i of a block's rest frame is variable (i + rest) mod z.
#[inline(always)]
fn load_blocks<T: Copy>(code: &impl Layers, llr: &[T], posteriors: &mut [T]) {
    let z = code.z();
    for (block, (natural, pair)) in llr.chunks_exact(z).zip(posteriors.chunks_exact_mut(2 * z)).enumerate() {
        let (head, tail) = natural.split_at(code.rest(block));
        for half in pair.chunks_exact_mut(z) {
            half[..tail.len()].copy_from_slice(tail);
            half[tail.len()..].copy_from_slice(head);
        }
    }
}
