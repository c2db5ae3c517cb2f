//! Values of a figure → total, mean, deviation, least and greatest.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Values of one figure over the runs that have it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    count: u64,
    /// Exact for whole numbers.
    total: f64,
    /// Sum of squares about the mean.
    squares: f64,
    least: f64,
    most: f64,
    /// Whether values are whole numbers.
    whole: bool,
}

impl Spread {
    /// Of whole numbers.
    pub(super) const WHOLE: Self =
        Self { count: 0, total: 0.0, squares: 0.0, least: 0.0, most: 0.0, whole: true };
    /// Of any numbers.
    pub(super) const REAL: Self = Self { whole: false, ..Self::WHOLE };

    pub(super) fn add(&mut self, value: f64) {
        // Welford 1962.
        let before = value - self.mean().unwrap_or(value);
        self.count += 1;
        self.total += value;
        self.squares += before * (value - self.total / self.count as f64);
        self.least = if self.count == 1 { value } else { self.least.min(value) };
        self.most = if self.count == 1 { value } else { self.most.max(value) };
    }

    /// Mean over these runs, or the value of the only one. `None` if no run has it.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total / self.count as f64)
    }

    /// The mean, as a whole number if it is the value of a single run and one.
    pub(super) fn number(&self) -> Option<Number> {
        self.mean().map(|value| Number { value, whole: self.whole && self.count == 1 })
    }

    /// Standard deviation over the runs. `None` for fewer than two.
    pub fn deviation(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }
}

/// A figure as JSON: a whole number where it is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    value: f64,
    whole: bool,
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Counts and bits lie far below 2^53.
        if self.whole {
            serializer.serialize_u64(self.value as u64)
        } else {
            serializer.serialize_f64(self.value)
        }
    }
}

impl Serialize for Spread {
    /// The value of a single run; of more runs `total`, `mean`, `sd`, `min`, `max`; null of none.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = |value| Number { value, whole: self.whole };
        let Some(deviation) = self.deviation() else { return self.mean().map(number).serialize(serializer) };
        let mut fields = serializer.serialize_struct("Spread", 5)?;
        fields.serialize_field("total", &number(self.total))?;
        fields.serialize_field("mean", &self.mean())?;
        fields.serialize_field("sd", &deviation)?;
        fields.serialize_field("min", &number(self.least))?;
        fields.serialize_field("max", &number(self.most))?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_those_of_their_values() {
        let mut spread = Spread::WHOLE;
        let json = |spread: &Spread| serde_json::to_string(spread).unwrap();
        assert_eq!((json(&spread), spread.mean()), ("null".to_owned(), None));
        spread.add(7.0);
        assert_eq!((json(&spread), spread.mean(), spread.deviation()), ("7".to_owned(), Some(7.0), None));
        spread.add(1.0);
        spread.add(4.0);
        assert_eq!(json(&spread), r#"{"total":12,"mean":4.0,"sd":3.0,"min":1,"max":7}"#);
        let mut real = Spread::REAL;
        real.add(0.5);
        assert_eq!(json(&real), "0.5");
    }
}
