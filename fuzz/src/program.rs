//! The fuzzer's bytes in, numbers and slices out; zeros when they are used up.

/// Bytes not read yet.
#[derive(Debug)]
pub struct Program<'a>(pub &'a [u8]);

impl<'a> Program<'a> {
    /// Whether all is read.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to `count` bytes.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// Two bytes, most significant first.
    pub fn short(&mut self) -> u16 {
        u16::from(self.byte()) << 8 | u16::from(self.byte())
    }

    /// A number below `end`, which must lie in 1..=65536.
    pub fn below(&mut self, end: usize) -> usize {
        let number: usize = if end <= 256 { self.byte().into() } else { self.short().into() };
        number % end
    }
}
