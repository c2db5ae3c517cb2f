//! Rows of numbers, and how inputs become the coordinates that processes see.

use serde::{Deserialize, Serialize};

/// Points of one dimension, row by row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Points {
    dimension: usize,
    values: Vec<f64>,
}

impl Points {
    /// No points of `dimension` coordinates.
    pub const fn new(dimension: usize) -> Self {
        Self { dimension, values: Vec::new() }
    }

    /// The points whose rows are `rows`. A row that is longer than the first is cut, a shorter one filled with zeros.
    pub fn of(rows: impl IntoIterator<Item = impl AsRef<[f64]>>) -> Self {
        let mut points = Self::default();
        for row in rows {
            let row = row.as_ref();
            if points.values.is_empty() {
                points.dimension = row.len();
            }
            points.push(row);
        }
        points
    }

    /// One more.
    pub fn push(&mut self, row: &[f64]) {
        let end = self.values.len() + self.dimension;
        self.values.extend(row.iter().take(self.dimension));
        self.values.resize(end, 0.0);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.dimension).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Coordinates of each.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// Point `i`, which has to be there.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dimension..(i + 1) * self.dimension]
    }

    /// One after the other.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.dimension.max(1))
    }

    /// Those at `places`, which have to be there.
    #[must_use]
    pub fn select(&self, places: &[usize]) -> Self {
        let mut points = Self::new(self.dimension);
        places.iter().for_each(|&i| points.push(self.row(i)));
        points
    }

    /// Whether all are numbers.
    pub fn are_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }
}

/// Inputs to coordinates: logarithms where the scale is logarithmic, then zero mean and unit variance over what it was made
/// of. An input that does not vary there has no coordinate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    inputs: usize,
    columns: Vec<Column>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Column {
    input: usize,
    log: bool,
    mean: f64,
    deviation: f64,
}

impl Column {
    fn warped(self, value: f64) -> f64 {
        if self.log { value.ln() } else { value }
    }
}

impl Scaling {
    /// That of `inputs`, whose column k has a logarithmic scale if `log[k]`.
    pub fn of(inputs: &Points, log: &[bool]) -> Self {
        let n = inputs.len().max(1) as f64;
        let columns = (0..inputs.dimension()).filter_map(|input| {
            let log = log.get(input).copied().unwrap_or(false);
            let column = Column { input, log, mean: 0.0, deviation: 1.0 };
            let values = || inputs.rows().map(|row| column.warped(row[input]));
            let mean = values().sum::<f64>() / n;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
            let deviation = variance.sqrt();
            (deviation > 1e-12 * mean.abs().max(1e-300)).then_some(Column { mean, deviation, ..column })
        });
        Self { inputs: inputs.dimension(), columns: columns.collect() }
    }

    /// Coordinates of a point.
    pub fn dimension(&self) -> usize {
        self.columns.len()
    }

    /// Inputs of a point.
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Which input coordinate k is of.
    pub fn input_of(&self, coordinate: usize) -> Option<usize> {
        self.columns.get(coordinate).map(|column| column.input)
    }

    /// The coordinates of `inputs`, appended to `to`.
    pub fn coordinates(&self, inputs: &[f64], to: &mut Vec<f64>) {
        let of = |column: &Column| {
            let value = inputs.get(column.input).copied().unwrap_or(column.mean);
            (column.warped(value) - column.mean) / column.deviation
        };
        to.extend(self.columns.iter().map(of));
    }

    /// The coordinates of all of `inputs`.
    pub fn all(&self, inputs: &Points) -> Points {
        let mut points = Points::new(self.dimension());
        for row in inputs.rows() {
            self.coordinates(row, &mut points.values);
        }
        points
    }

    /// Writes the inputs at `coordinates` over those of `inputs` that have one.
    pub fn inputs_at(&self, coordinates: &[f64], inputs: &mut [f64]) {
        for (column, &at) in self.columns.iter().zip(coordinates) {
            if let Some(input) = inputs.get_mut(column.input) {
                let value = column.mean + column.deviation * at;
                *input = if column.log { value.exp() } else { value };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_has_zero_mean_unit_variance_and_an_inverse() {
        let rows: Vec<[f64; 3]> = (1..=50).map(|i| [f64::from(i), 7.0, 10f64.powi(i % 9 - 4)]).collect();
        let inputs = Points::of(&rows);
        let scaling = Scaling::of(&inputs, &[false, false, true]);
        assert_eq!(scaling.dimension(), 2);
        assert_eq!([scaling.input_of(0), scaling.input_of(1), scaling.input_of(2)], [Some(0), Some(2), None]);
        let points = scaling.all(&inputs);
        for k in 0..2 {
            let mean = points.rows().map(|row| row[k]).sum::<f64>() / 50.0;
            let variance = points.rows().map(|row| row[k] * row[k]).sum::<f64>() / 50.0;
            assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-12, "{k}: {mean} {variance}");
        }
        for (row, inputs) in points.rows().zip(inputs.rows()) {
            let mut back = [0.0, 7.0, 0.0];
            scaling.inputs_at(row, &mut back);
            for (a, b) in back.iter().zip(inputs) {
                assert!((a / b - 1.0).abs() < 1e-12, "{a} is not {b}");
            }
        }
    }

    #[test]
    fn rows_of_any_length_become_points_of_one() {
        let points = Points::of([&[1.0, 2.0][..], &[3.0], &[4.0, 5.0, 6.0]]);
        assert_eq!(points.len(), 3);
        assert_eq!(points.rows().collect::<Vec<_>>(), [[1.0, 2.0], [3.0, 0.0], [4.0, 5.0]]);
        assert_eq!(Points::default().len(), 0);
    }
}
