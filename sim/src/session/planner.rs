//! Plans blocks by a library's measured or estimated rates.

use core::cell::RefCell;

use caligo_core::rate::{RateError, Selection};
use caligo_core::reconcile::plan::{self, Goal, Plan, Planner, Size};
use caligo_engine::Tier;

use crate::matrix::library::{Library, LibraryError};

/// A [`Planner`] over a [`Library`].
#[derive(Debug)]
pub struct LibraryPlanner<'a> {
    library: &'a Library,
    goal: Goal,
    tier: Tier,
    efficiency: Option<f64>,
    size: Size,
    /// The last full block's error rate, plan and payload: it changes once a group.
    last: RefCell<Option<(Option<f64>, Plan, usize)>>,
}

impl<'a> LibraryPlanner<'a> {
    /// A planner for `tier`'s decoder; by `efficiency` instead of measured rates if it is given.
    ///
    /// # Errors
    /// [`LibraryError`] never occurs once the library is loaded.
    pub fn new(
        library: &'a Library,
        goal: Goal,
        tier: Tier,
        efficiency: Option<f64>,
    ) -> Result<Self, LibraryError> {
        let code = library.code()?;
        let size = Size { n: code.n(), m: code.m(), puncturable: library.punctured_positions() };
        Ok(Self { library, goal, tier, efficiency, size, last: RefCell::new(None) })
    }

    fn select(&self, qber: f64, fer: f64, short: Option<usize>) -> Result<Selection, RateError> {
        let full = self.library.select(self.tier, qber, fer, self.efficiency)?;
        short.map_or(Ok(full), |payload| self.library.select_short(full, qber, fer, payload))
    }
}

impl Planner for LibraryPlanner<'_> {
    fn plan(&self, qber: Option<f64>, left: usize) -> Result<Plan, RateError> {
        if let Some((known, plan, payload)) = &*self.last.borrow()
            && *known == qber
            && *payload <= left
        {
            return Ok(*plan);
        }
        let plan = plan::plan(&self.goal, self.size, qber, left, |q, fer, short| self.select(q, fer, short))?;
        let payload = self.size.n - usize::from(plan.punctured) - usize::from(plan.shortened);
        if payload < left {
            *self.last.borrow_mut() = Some((qber, plan, payload));
        }
        Ok(plan)
    }
}
