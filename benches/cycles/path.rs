//! Instruction sets of this machine.

use pulp::NullaryFnOnce;
use pulp::x86::{V3, V4};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Path {
    Avx512(V4),
    Avx2(V3),
    /// What any x86-64 has: SSE2.
    Portable,
}

/// Those that this machine has.
pub(crate) fn all() -> Vec<Path> {
    let wide = V4::try_new().map(Path::Avx512);
    let narrow = V3::try_new().map(Path::Avx2);
    wide.into_iter().chain(narrow).chain([Path::Portable]).collect()
}

impl Path {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Avx512(_) => "avx512",
            Self::Avx2(_) => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Calls `work`, compiled for this instruction set.
    pub(crate) fn call<W: NullaryFnOnce>(self, work: W) -> W::Output {
        match self {
            Self::Avx512(isa) => isa.vectorize(work),
            Self::Avx2(isa) => isa.vectorize(work),
            Self::Portable => work.call(),
        }
    }
}
