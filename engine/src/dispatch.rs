//! Which of the processor's instructions kernels may use.

use alloc::vec::Vec;
#[cfg(not(target_arch = "wasm32"))]
use std::{ffi::OsStr, sync::OnceLock};

#[cfg(target_arch = "aarch64")]
use pulp::aarch64::Neon;
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

/// Environment variable that turns dispatch off if it is neither empty nor `0`; `avx2` leaves out AVX-512 alone, in decoders.
pub const VARIABLE: &str = "CALIGO_PORTABLE";

/// Whether kernels run as compiled for any machine, because [`VARIABLE`] says so. It is read once.
///
/// Results do not depend on it; a machine may be tried against itself, or its code paths measured.
pub fn portable() -> bool {
    #[cfg(target_arch = "wasm32")]
    return false;
    #[cfg(not(target_arch = "wasm32"))]
    return allowed() == Allowed::Portable;
}

#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    All,
    Avx2,
    Portable,
}

#[cfg(not(target_arch = "wasm32"))]
fn allowed() -> Allowed {
    static ALLOWED: OnceLock<Allowed> = OnceLock::new();
    *ALLOWED.get_or_init(|| std::env::var_os(VARIABLE).map_or(Allowed::All, |value| read(&value)))
}

#[cfg(not(target_arch = "wasm32"))]
fn read(value: &OsStr) -> Allowed {
    if value.is_empty() || value == "0" {
        Allowed::All
    } else if value == "avx2" {
        Allowed::Avx2
    } else {
        Allowed::Portable
    }
}

/// Work that can be compiled for several instruction sets: all of it has to be `#[inline(always)]`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use pulp::NullaryFnOnce as Work;

/// Work of a module that is compiled for its instructions as a whole.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) trait Work {
    type Output;
    fn call(self) -> Self::Output;
}

/// A set of instructions that this machine has.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Path {
    /// AVX-512 F, BW, CD, DQ, VL.
    #[cfg(target_arch = "x86_64")]
    Avx512(V4),
    /// AVX2, FMA, BMI.
    #[cfg(target_arch = "x86_64")]
    Avx2(V3),
    /// NEON.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// WebAssembly's vectors of 128 bits.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
    /// What any machine of the architecture has; a module for simd128 needs it not.
    #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
    Portable,
}

impl Path {
    /// What is always there.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    const LAST: Self = Self::Simd128;
    #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
    const LAST: Self = Self::Portable;

    /// All of this machine, the widest first.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(V4::try_new().map(Self::Avx512));
            all.extend(V3::try_new().map(Self::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(Neon::try_new().map(Self::Neon));
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        all.push(Self::Simd128);
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        all.push(Self::Portable);
        all
    }

    /// The widest that [`VARIABLE`] allows.
    pub fn chosen() -> Self {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        let allowed = allowed();
        let allows = |path: &Self| match path {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => allowed == Allowed::All,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => allowed != Allowed::Portable,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => allowed != Allowed::Portable,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => true,
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Self::Portable => true,
        };
        Self::all().into_iter().find(allows).unwrap_or(Self::LAST)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => "simd128",
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Self::Portable => "portable",
        }
    }

    /// Does `work`, compiled for these instructions.
    #[inline(always)]
    pub(crate) fn call<W: Work>(self, work: W) -> W::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(v4) => v4.vectorize(work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(v3) => v3.vectorize(work),
            // What the compiler assumes everywhere, NEON and simd128 too.
            _ => work.call(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_zero_leave_dispatch_on() {
        use Allowed::{All, Avx2, Portable};
        let values = ["", "0", "1", "yes", "false", "00", "avx2"].map(|value| read(OsStr::new(value)));
        assert_eq!(values, [All, All, Portable, Portable, Portable, Portable, Avx2]);
    }

    #[test]
    fn any_machine_can_do_without() {
        assert_eq!(Path::all().last().map(|path| path.name()), Some("portable"));
    }
}
