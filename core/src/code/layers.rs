//! How the decoders walk a matrix.

use super::{QcCode, SparseCode};

/// Matrix rows as a decoder walks them: `z` checks at a time, edges numbered row by row.
pub trait Layers: Copy {
    /// Whether a block of variables is kept doubled so that a rotation is one unaligned read.
    const CYCLIC: bool;
    fn z(&self) -> usize;
    fn layers(&self) -> usize;
    fn blocks(&self) -> usize;
    fn edges(&self, layer: usize) -> core::ops::Range<usize>;
    fn block(&self, edge: usize) -> usize;
    fn turn(&self, edge: usize) -> usize;
    fn shift(&self, edge: usize) -> usize;
    fn rest(&self, block: usize) -> usize;
}

impl Layers for QcCode<'_> {
    const CYCLIC: bool = true;
    #[inline(always)]
    fn z(&self) -> usize {
        self.z
    }
    #[inline(always)]
    fn layers(&self) -> usize {
        self.row_start.len() - 1
    }
    #[inline(always)]
    fn blocks(&self) -> usize {
        self.rest.len()
    }
    #[inline(always)]
    fn edges(&self, layer: usize) -> core::ops::Range<usize> {
        self.row_start[layer] as usize..self.row_start[layer + 1] as usize
    }
    #[inline(always)]
    fn block(&self, edge: usize) -> usize {
        self.circulants[edge].column as usize
    }
    #[inline(always)]
    fn turn(&self, edge: usize) -> usize {
        self.circulants[edge].turn as usize
    }
    #[inline(always)]
    fn shift(&self, edge: usize) -> usize {
        self.circulants[edge].shift as usize
    }
    #[inline(always)]
    fn rest(&self, block: usize) -> usize {
        self.rest[block] as usize
    }
}

impl Layers for SparseCode<'_> {
    const CYCLIC: bool = false;
    #[inline(always)]
    fn z(&self) -> usize {
        1
    }
    #[inline(always)]
    fn layers(&self) -> usize {
        self.row_start.len() - 1
    }
    #[inline(always)]
    fn blocks(&self) -> usize {
        self.n
    }
    #[inline(always)]
    fn edges(&self, layer: usize) -> core::ops::Range<usize> {
        self.row_start[layer] as usize..self.row_start[layer + 1] as usize
    }
    #[inline(always)]
    fn block(&self, edge: usize) -> usize {
        self.columns[edge] as usize
    }
    #[inline(always)]
    fn turn(&self, _: usize) -> usize {
        0
    }
    #[inline(always)]
    fn shift(&self, _: usize) -> usize {
        0
    }
    #[inline(always)]
    fn rest(&self, _: usize) -> usize {
        0
    }
}
