//! Words of several frames side by side.

/// A set of vector instructions that acts on [`Self::FRAMES`] words at once, one of each frame.
///
/// Implementations outside this crate hold what proves that the machine has the instructions.
pub trait Lanes: Copy {
    /// One word of each frame.
    type Plane: Copy;
    /// Frames decoded together.
    const FRAMES: usize;

    /// `word` in every frame.
    fn splat(self, word: u64) -> Self::Plane;
    /// a AND b.
    fn and(self, a: Self::Plane, b: Self::Plane) -> Self::Plane;
    /// a OR b.
    fn or(self, a: Self::Plane, b: Self::Plane) -> Self::Plane;
    /// a XOR b.
    fn xor(self, a: Self::Plane, b: Self::Plane) -> Self::Plane;
    /// (NOT a) AND b.
    fn and_not(self, a: Self::Plane, b: Self::Plane) -> Self::Plane;
    /// Every word turned right by `by`, below 64.
    fn rotate_right(self, a: Self::Plane, by: u32) -> Self::Plane;
    /// The word of `frame`.
    fn word(self, plane: &Self::Plane, frame: usize) -> u64;
    /// Replaces the word of `frame`.
    fn set_word(self, plane: &mut Self::Plane, frame: usize, word: u64);

    /// NOT a.
    #[inline(always)]
    fn not(self, a: Self::Plane) -> Self::Plane {
        self.xor(a, self.splat(u64::MAX))
    }
    /// a XOR b XOR c.
    #[inline(always)]
    fn xor3(self, a: Self::Plane, b: Self::Plane, c: Self::Plane) -> Self::Plane {
        self.xor(self.xor(a, b), c)
    }
    /// At least two of the three.
    #[inline(always)]
    fn majority(self, a: Self::Plane, b: Self::Plane, c: Self::Plane) -> Self::Plane {
        self.or(self.and(a, b), self.and(self.or(a, b), c))
    }
    /// `a` where `mask` is set, else `b`.
    #[inline(always)]
    fn select(self, mask: Self::Plane, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        self.or(self.and(mask, a), self.and_not(mask, b))
    }
}

/// Plain words, on any machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words<const W: usize>;

impl<const W: usize> Lanes for Words<W> {
    type Plane = [u64; W];
    const FRAMES: usize = W;

    #[inline(always)]
    fn splat(self, word: u64) -> [u64; W] {
        [word; W]
    }
    #[inline(always)]
    fn and(self, a: [u64; W], b: [u64; W]) -> [u64; W] {
        core::array::from_fn(|i| a[i] & b[i])
    }
    #[inline(always)]
    fn or(self, a: [u64; W], b: [u64; W]) -> [u64; W] {
        core::array::from_fn(|i| a[i] | b[i])
    }
    #[inline(always)]
    fn xor(self, a: [u64; W], b: [u64; W]) -> [u64; W] {
        core::array::from_fn(|i| a[i] ^ b[i])
    }
    #[inline(always)]
    fn and_not(self, a: [u64; W], b: [u64; W]) -> [u64; W] {
        core::array::from_fn(|i| !a[i] & b[i])
    }
    #[inline(always)]
    fn rotate_right(self, a: [u64; W], by: u32) -> [u64; W] {
        core::array::from_fn(|i| a[i].rotate_right(by))
    }
    #[inline(always)]
    fn word(self, plane: &[u64; W], frame: usize) -> u64 {
        plane[frame]
    }
    #[inline(always)]
    fn set_word(self, plane: &mut [u64; W], frame: usize, word: u64) {
        plane[frame] = word;
    }
}
