//! Syndrome decoding with a decoder of codewords: any string of the given syndrome moves the problem to the code.

use caligo_core::bits::{get, set, xor_assign};
use caligo_core::code::Code;

use crate::peer::{FRAME, SYNDROME};

/// Echelon form of the columns: by leading bit, a syndrome and a string that has it.
pub(crate) struct Cosets(Vec<Option<([u64; SYNDROME], [u64; FRAME])>>);

impl Cosets {
    pub(crate) fn new(code: &Code<'_>) -> Self {
        let mut columns = vec![[0; SYNDROME]; code.n()];
        for check in 0..code.m() {
            code.neighbours(check, |v| set(&mut columns[v], check, true));
        }
        let mut cosets = Self(vec![None; code.m()]);
        for (v, &column) in columns.iter().enumerate() {
            let mut string = [0; FRAME];
            set(&mut string, v, true);
            if let Some((lead, rest)) = cosets.reduce(column, &mut string) {
                cosets.0[lead] = Some((rest, string));
            }
        }
        cosets
    }

    /// Adds to `string` what takes away `syndrome`; what no column so far takes away, by its leading bit.
    fn reduce(
        &self,
        mut syndrome: [u64; SYNDROME],
        string: &mut [u64; FRAME],
    ) -> Option<(usize, [u64; SYNDROME])> {
        for lead in 0..self.0.len() {
            if !get(&syndrome, lead) {
                continue;
            }
            match &self.0[lead] {
                Some((with, by)) => {
                    xor_assign(&mut syndrome, with);
                    xor_assign(string, by);
                }
                None => return Some((lead, syndrome)),
            }
        }
        None
    }

    /// A string with `syndrome`, for a matrix of full rank.
    pub(crate) fn member(&self, syndrome: &[u64]) -> [u64; FRAME] {
        let (mut rest, mut string) = ([0; SYNDROME], [0; FRAME]);
        rest.copy_from_slice(syndrome);
        self.reduce(rest, &mut string);
        string
    }
}
