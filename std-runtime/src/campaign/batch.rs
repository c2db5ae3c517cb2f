//! Samples of a campaign, column by column, until each is about to run.

use caligo_core::security::{NsmParameters, ParameterError};

use crate::campaign::design::{Design, Infeasible};
use crate::campaign::feasibility::{Columns, Kernel, Verdict};
use crate::campaign::space::{AXES, DIMENSIONS, Inputs, Space};
use crate::config::campaign::Campaign;

/// Inputs of consecutive or chosen samples, one column a dimension.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Which samples.
    pub indices: Vec<u64>,
    /// How many infeasible points were passed over for each.
    pub draws: Vec<u64>,
    /// Inputs: [`space::TABLE`](crate::campaign::space::TABLE)'s numbers, then the strategy's code.
    pub columns: [Vec<f32>; DIMENSIONS],
    /// Whether each is feasible.
    pub verdicts: Vec<Verdict>,
}

/// One sample, about to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Which.
    pub index: u64,
    /// How many infeasible points were passed over for it.
    pub draw: u64,
    /// As they are recorded.
    pub inputs: Inputs,
    /// What they stand for.
    pub parameters: NsmParameters,
    /// Whether it is feasible.
    pub verdict: Verdict,
}

impl Batch {
    /// How many samples.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The inputs in row `row`. `None` past the end.
    pub fn inputs(&self, row: usize) -> Option<Inputs> {
        let mut inputs = [0.0; DIMENSIONS];
        for (input, column) in inputs.iter_mut().zip(&self.columns) {
            *input = *column.get(row)?;
        }
        Some(inputs)
    }

    /// The sample in row `row`. `None` past the end.
    pub fn sample(&self, row: usize, space: &Space) -> Option<Result<Sample, ParameterError>> {
        let inputs = self.inputs(row)?;
        let (&index, &draw, &verdict) =
            (self.indices.get(row)?, self.draws.get(row)?, self.verdicts.get(row)?);
        let parameters = space.parameters(&inputs);
        Some(parameters.map(|parameters| Sample { index, draw, inputs, parameters, verdict }))
    }

    fn numbers(&self) -> Columns<'_> {
        let mut columns: Columns<'_> = [&[]; AXES];
        for (to, from) in columns.iter_mut().zip(&self.columns) {
            *to = from;
        }
        columns
    }

    fn clear(&mut self) {
        self.indices.clear();
        self.draws.clear();
        self.columns.iter_mut().for_each(Vec::clear);
        self.verdicts.clear();
    }

    fn push(&mut self, index: u64, inputs: &Inputs) {
        self.indices.push(index);
        self.draws.push(0);
        self.columns.iter_mut().zip(inputs).for_each(|(column, &input)| column.push(input));
    }
}

/// Where samples come from. Any number of threads share one.
pub trait Fill: Sync {
    /// The samples `indices`, into `batch`, whose memory is used again. Each is the same whatever the others are.
    fn make(&self, indices: Vec<u64>, batch: &mut Batch);

    /// What inputs stand for.
    fn space(&self) -> &Space;
}

/// Makes batches of a design. Any number of workers may each have one.
#[derive(Clone, Debug)]
pub struct Sampler {
    design: Design,
    kernel: Kernel,
    infeasible: Infeasible,
    attempts: u64,
}

impl Sampler {
    /// The samples of `campaign`.
    pub fn new(campaign: &Campaign) -> Self {
        Self {
            design: Design::new(campaign),
            kernel: Kernel::new(campaign),
            infeasible: campaign.infeasible,
            attempts: campaign.attempts,
        }
    }

    /// The design.
    pub const fn design(&self) -> &Design {
        &self.design
    }

    /// The samples `indices`, into `batch`, whose memory is used again. Each is the same whatever the others are.
    pub fn fill(&self, indices: impl IntoIterator<Item = u64>, batch: &mut Batch) {
        batch.clear();
        let layer = self.design.layer(0);
        for index in indices {
            batch.push(index, &self.design.inputs(&layer, index));
        }
        judge(&self.kernel, batch);
        if self.infeasible == Infeasible::Replace {
            self.replace(batch);
        }
    }

    fn replace(&self, batch: &mut Batch) {
        let infeasible = |(row, &verdict): (usize, &Verdict)| (verdict != Verdict::Feasible).then_some(row);
        let mut rows: Vec<usize> = batch.verdicts.iter().enumerate().filter_map(infeasible).collect();
        let (mut again, mut verdicts) = (Batch::default(), Vec::new());
        for draw in 1..=self.attempts {
            if rows.is_empty() {
                return;
            }
            let layer = self.design.layer(draw);
            again.clear();
            for &index in rows.iter().filter_map(|&row| batch.indices.get(row)) {
                again.push(index, &self.design.inputs(&layer, index));
            }
            self.kernel.verdicts(again.numbers(), &mut verdicts);
            let mut left = Vec::new();
            for (at, (&row, &verdict)) in rows.iter().zip(&verdicts).enumerate() {
                let Some(inputs) = again.inputs(at).filter(|_| verdict == Verdict::Feasible) else {
                    left.push(row);
                    continue;
                };
                let place = (batch.draws.get_mut(row), batch.verdicts.get_mut(row));
                let (Some(to_draw), Some(to_verdict)) = place else { continue };
                (*to_draw, *to_verdict) = (draw, verdict);
                for (column, input) in batch.columns.iter_mut().zip(inputs) {
                    if let Some(to) = column.get_mut(row) {
                        *to = input;
                    }
                }
            }
            rows = left;
        }
    }
}

impl Fill for Sampler {
    fn make(&self, indices: Vec<u64>, batch: &mut Batch) {
        self.fill(indices, batch);
    }

    fn space(&self) -> &Space {
        self.design.space()
    }
}

fn judge(kernel: &Kernel, batch: &mut Batch) {
    let mut verdicts = std::mem::take(&mut batch.verdicts);
    kernel.verdicts(batch.numbers(), &mut verdicts);
    batch.verdicts = verdicts;
}

/// Samples whose inputs were chosen one by one.
#[derive(Clone, Debug)]
pub struct Chosen {
    space: Space,
    kernel: Kernel,
    first: u64,
    inputs: Vec<Inputs>,
}

impl Chosen {
    /// Samples `first`, `first` + 1 and so on of `campaign`'s space, with these inputs.
    pub fn new(campaign: &Campaign, first: u64, inputs: Vec<Inputs>) -> Self {
        Self { space: campaign.space.clone(), kernel: Kernel::new(campaign), first, inputs }
    }
}

impl Fill for Chosen {
    fn make(&self, indices: Vec<u64>, batch: &mut Batch) {
        batch.clear();
        for index in indices {
            let place = index.checked_sub(self.first).and_then(|place| self.inputs.get(place as usize));
            if let Some(inputs) = place {
                batch.push(index, inputs);
            }
        }
        judge(&self.kernel, batch);
    }

    fn space(&self) -> &Space {
        &self.space
    }
}
