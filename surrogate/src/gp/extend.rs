//! A process that has seen some points more: the factor of before is the upper left of the new one.
//!
//! In: a process, all points and values, the first of which it has seen. Out: the process of all. Time grows with the square of
//! the number of points, as long as few are new.

use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{MatMut, Par};

use super::{Gp, GpError, check, dot, weigh};
use crate::matern::{Scaled, correlation};
use crate::points::Points;

impl Gp {
    /// The process that has seen `values` at `points`, by the same hyperparameters. It has seen the first of these points.
    ///
    /// # Errors
    /// [`GpError`].
    pub fn extended(&self, points: &Points, values: &[f64], mean: Option<f64>) -> Result<Self, GpError> {
        check(points, values, &self.hyper, 1)?;
        let (before, n) = (self.len(), values.len());
        let scaled = Scaled::new(points, &self.hyper.lengths);
        let Some(new) = n.checked_sub(before) else {
            return Err(GpError::Data { least: before, points: points.len(), values: n });
        };
        // Rows of the factor for the new points, one a column here.
        let mut rows = vec![0.0; before * new];
        for (j, row) in rows.chunks_exact_mut(before).enumerate() {
            self.covariances_with(&scaled, before + j, row);
        }
        let right = MatMut::from_column_major_slice_mut(&mut rows, before, new);
        solve_lower_triangular_in_place(self.lower(), right, Par::Seq);
        let mut factor = vec![0.0; n * n];
        for (old, column) in self.factor.chunks_exact(before).zip(factor.chunks_exact_mut(n)) {
            column[..before].copy_from_slice(old);
        }
        let mut squares = vec![0.0; n];
        for i in 0..new {
            let row = &rows[i * before..(i + 1) * before];
            for (k, &value) in row.iter().enumerate() {
                factor[k * n + before + i] = value;
            }
            scaled.squares(0, &scaled, before + i, &mut squares);
            for j in 0..=i {
                let other = &rows[j * before..(j + 1) * before];
                let explained = dot(row, other)
                    + (before..before + j)
                        .map(|k| factor[k * n + before + i] * factor[k * n + before + j])
                        .sum::<f64>();
                let own = if i == j { self.jitter * self.hyper.signal + self.hyper.noise } else { 0.0 };
                let left = self.hyper.signal * correlation(squares[before + j]) + own - explained;
                let place = (before + j) * n + before + i;
                if i > j {
                    factor[place] = left / factor[(before + j) * n + before + j];
                } else if left > 0.0 {
                    factor[place] = left.sqrt();
                } else {
                    // What was added before is too little for these.
                    return Self::new(points, values, self.hyper.clone(), mean);
                }
            }
        }
        let (mean, weights) = weigh(&factor, n, values, mean);
        Ok(Self { hyper: self.hyper.clone(), mean, points: scaled, factor, weights, jitter: self.jitter })
    }
}
