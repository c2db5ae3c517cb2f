//! What the core's vector units do, for bounds to stand on.

use std::hint::black_box;

use pulp::NullaryFnOnce;

use crate::path::Path;

/// Work of so many rounds.
pub(crate) type Unit = fn(Path, u32);

/// Name, work, and vector instructions in a round.
pub(crate) const UNITS: [(&str, Unit, f64); 3] =
    [("logic", integer::<10>, 20.0), ("logic-chain", integer::<1>, 2.0), ("division", division, 10.0)];

/// An addition and an exclusive or in each of `R` registers; those of a register wait for each other.
fn integer<const R: usize>(path: Path, rounds: u32) {
    match path {
        Path::Avx512(_) => path.call(Integer { x: [[1; 8]; R], rounds }),
        Path::Avx2(_) => path.call(Integer { x: [[1; 4]; R], rounds }),
        Path::Portable => path.call(Integer { x: [[1; 2]; R], rounds }),
    }
}

struct Integer<const L: usize, const R: usize> {
    x: [[u64; L]; R],
    rounds: u32,
}

impl<const L: usize, const R: usize> NullaryFnOnce for Integer<L, R> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (a, b) = (black_box([3u64; L]), black_box([5u64; L]));
        let mut x = black_box(self.x);
        for _ in 0..self.rounds {
            for register in &mut x {
                for i in 0..L {
                    register[i] = register[i].wrapping_add(a[i]) ^ b[i];
                }
            }
        }
        black_box(x);
    }
}

/// Divisions in ten registers.
fn division(path: Path, rounds: u32) {
    match path {
        Path::Avx512(_) => path.call(Divide { x: [1.25; 160], rounds }),
        Path::Avx2(_) => path.call(Divide { x: [1.25; 80], rounds }),
        Path::Portable => path.call(Divide { x: [1.25; 40], rounds }),
    }
}

struct Divide<const N: usize> {
    x: [f32; N],
    rounds: u32,
}

impl<const N: usize> NullaryFnOnce for Divide<N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let one = black_box(1f32);
        let mut x = black_box(self.x);
        for _ in 0..self.rounds {
            for x in &mut x {
                *x = one / *x;
            }
        }
        black_box(x);
    }
}
