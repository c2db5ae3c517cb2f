//! What reconciliation discloses, by kind, what each accounting policy charges for it, and the ledger
//! that every disclosed bit passes through before it leaves.
//!
//! For a syndrome S = H_X x + H_P u with private uniform padding u on punctured positions,
//! H_min(X | E, S) >= H_min(X | E) - (rank H - rank H_P). With independent punctured columns and a
//! matrix of full rank that is m - p bits; after D padding bits have been revealed, m - (p - D).
//!
//! [`Ledger::charge`] books a [`Disclosure`] and gives the one [`Permit`] with which the message that
//! discloses it can be built ([`crate::wire`]); past the budget it gives neither. The charges of a block
//! telescope: after its last reveal they sum to rank H - rank `H_P` of the padding still private, so that
//! nothing is left to settle. [`Ledger::close`] gives the [`Receipt`] a final key is used with.
//!
//! ```
//! use caligo_core::leakage::{Disclosure, LeakBits, Ledger, Policy};
//!
//! let ledger = Ledger::new(Policy::Exact, LeakBits(1000));
//! // A syndrome of 2048 bits masked by 1200 bits of padding.
//! let (ledger, _permit) = ledger.charge(Disclosure::Syndrome { bits: 2048, exact: 848 })?;
//! assert_eq!(ledger.spent(), LeakBits(848));
//! // 152 bits of padding may follow, not one more.
//! let refused = ledger.charge(Disclosure::Reveal { padding: 153, payload: 0, exact: 153 }).unwrap_err();
//! assert_eq!((refused.attempted, refused.spent, refused.cap), (LeakBits(153), LeakBits(848), LeakBits(1000)));
//! # Ok::<(), caligo_core::leakage::BudgetExceeded>(())
//! ```
//!
//! A permit cannot be made, copied or used twice, and a ledger cannot be forked:
//!
//! ```compile_fail
//! # use caligo_core::leakage::{Disclosure, Permit};
//! let permit = Permit { disclosure: Disclosure::Tag { bits: 64 } };
//! ```
//! ```compile_fail
//! # use caligo_core::leakage::{Ledger, LeakBits, Policy};
//! let fork = Ledger::new(Policy::Exact, LeakBits(1)).clone();
//! ```
//! ```compile_fail
//! let ledger = caligo_core::leakage::Ledger::default();
//! ```
//! ```compile_fail
//! # use caligo_core::leakage::{Disclosure, Ledger, LeakBits, Policy};
//! let ledger = Ledger::new(Policy::Exact, LeakBits(64));
//! let first = ledger.charge(Disclosure::Tag { bits: 64 });
//! let second = ledger.charge(Disclosure::Tag { bits: 64 });
//! ```
//! ```compile_fail
//! # use caligo_core::leakage::{Disclosed, LeakBits, Policy, Receipt};
//! let receipt = Receipt { disclosed: Disclosed::NONE, policy: Policy::Exact, cap: LeakBits(1) };
//! ```

use core::fmt;
use core::ops::AddAssign;

/// A number of bits an eavesdropper may have learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeakBits(pub u64);

impl AddAssign for LeakBits {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// How disclosures are charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// rank H - rank `H_P` at the end, plus payload bits revealed and tags: what the theorem gives.
    #[default]
    Exact,
    /// Every syndrome at its full length m; padding costs nothing more.
    SyndromeCap,
    /// m plus every reveal, padding included: the formula of Martinez-Mateo et al. as commonly
    /// booked. It counts revealed padding twice.
    Conservative,
}

/// Tally of one key's disclosures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disclosed {
    /// Syndrome bits sent (m a block).
    pub syndrome: LeakBits,
    /// What they tell about the payload: rank H - rank H_P, at most the payload.
    pub syndrome_exact: LeakBits,
    /// Padding bits revealed later.
    pub padding_revealed: LeakBits,
    /// What these reveals tell about the payload: the fall in rank H_P.
    pub padding_exact: LeakBits,
    /// Payload bits revealed.
    pub payload_revealed: LeakBits,
    /// Verification tag bits.
    pub tag: LeakBits,
    /// Key bits disclosed to estimate the error rate. They are removed from the key.
    pub sample: LeakBits,
}

impl Disclosed {
    /// Nothing.
    pub const NONE: Self = Self {
        syndrome: LeakBits(0),
        syndrome_exact: LeakBits(0),
        padding_revealed: LeakBits(0),
        padding_exact: LeakBits(0),
        payload_revealed: LeakBits(0),
        tag: LeakBits(0),
        sample: LeakBits(0),
    };

    /// Syndrome and reveals as `policy` charges them, without tags and samples.
    pub const fn reconciliation(&self, policy: Policy) -> LeakBits {
        let payload = self.payload_revealed.0;
        LeakBits(match policy {
            Policy::Exact => self.syndrome_exact.0 + self.padding_exact.0 + payload,
            Policy::SyndromeCap => self.syndrome.0 + payload,
            Policy::Conservative => self.syndrome.0 + self.padding_revealed.0 + payload,
        })
    }

    /// Everything charged to the remaining key: reconciliation and tags. Sampled bits are not in the
    /// key any more; they are listed, not charged.
    pub const fn total(&self, policy: Policy) -> LeakBits {
        LeakBits(self.reconciliation(policy).0 + self.tag.0)
    }
}

impl AddAssign for Disclosed {
    fn add_assign(&mut self, other: Self) {
        self.syndrome += other.syndrome;
        self.syndrome_exact += other.syndrome_exact;
        self.padding_revealed += other.padding_revealed;
        self.padding_exact += other.padding_exact;
        self.payload_revealed += other.payload_revealed;
        self.tag += other.tag;
        self.sample += other.sample;
    }
}

/// One disclosure, before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclosure {
    /// A syndrome.
    Syndrome {
        /// Its length m.
        bits: u64,
        /// rank H - rank H_P, at most the payload.
        exact: u64,
    },
    /// Padding or payload of a block whose syndrome was charged, or both.
    Reveal {
        /// Padding bits revealed.
        padding: u64,
        /// Payload bits revealed.
        payload: u64,
        /// By how much rank H_P falls, plus the payload bits, at most what is left of the payload.
        exact: u64,
    },
    /// A verification tag.
    Tag {
        /// Its length.
        bits: u64,
    },
    /// Key bits shown to estimate the error rate, and removed from the key.
    Sample {
        /// How many.
        bits: u64,
    },
}

impl Disclosure {
    /// Bits that leave, whatever they tell.
    pub const fn bits(&self) -> u64 {
        match *self {
            Self::Syndrome { bits, .. } | Self::Tag { bits } | Self::Sample { bits } => bits,
            Self::Reveal { padding, payload, .. } => padding + payload,
        }
    }

    fn tally(&self) -> Disclosed {
        let mut tally = Disclosed::default();
        match *self {
            Self::Syndrome { bits, exact } => {
                tally.syndrome = LeakBits(bits);
                tally.syndrome_exact = LeakBits(exact);
            }
            Self::Reveal { padding, payload, exact } => {
                tally.padding_revealed = LeakBits(padding);
                tally.payload_revealed = LeakBits(payload.min(exact));
                tally.padding_exact = LeakBits(exact - payload.min(exact));
            }
            Self::Tag { bits } => tally.tag = LeakBits(bits),
            Self::Sample { bits } => tally.sample = LeakBits(bits),
        }
        tally
    }
}

/// Leave to send one disclosure. Made by [`Ledger::charge`] alone, used up by the message.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what was charged has not been sent"]
pub struct Permit {
    disclosure: Disclosure,
}

impl Permit {
    /// What may be sent.
    pub const fn disclosure(&self) -> Disclosure {
        self.disclosure
    }
}

/// A disclosure would have passed the budget. It was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetExceeded {
    /// What it would have cost.
    pub attempted: LeakBits,
    /// What was spent before.
    pub spent: LeakBits,
    /// The budget.
    pub cap: LeakBits,
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempted, spent, cap } = self;
        write!(
            f,
            "leakage budget: {} bits would follow {} already spent, expected at most {} in all",
            attempted.0, spent.0, cap.0
        )
    }
}

impl core::error::Error for BudgetExceeded {}

/// The books of one key: charged before anything leaves, and never past the budget.
#[derive(Debug)]
#[must_use = "a ledger that is dropped cannot be closed"]
pub struct Ledger {
    policy: Policy,
    cap: LeakBits,
    disclosed: Disclosed,
}

impl Ledger {
    /// Empty books with a budget of `cap` bits under `policy`.
    pub const fn new(policy: Policy, cap: LeakBits) -> Self {
        Self { policy, cap, disclosed: Disclosed::NONE }
    }

    /// Books `disclosure` and gives leave to send it.
    ///
    /// # Errors
    /// [`BudgetExceeded`] if it would cost more than is left; the ledger is then gone, and with it every
    /// way to disclose more.
    pub fn charge(self, disclosure: Disclosure) -> Result<(Self, Permit), BudgetExceeded> {
        let mut disclosed = self.disclosed;
        disclosed += disclosure.tally();
        let (spent, total) = (self.spent(), disclosed.total(self.policy));
        if total > self.cap {
            return Err(BudgetExceeded { attempted: LeakBits(total.0 - spent.0), spent, cap: self.cap });
        }
        Ok((Self { disclosed, ..self }, Permit { disclosure }))
    }

    /// Bits charged so far.
    pub const fn spent(&self) -> LeakBits {
        self.disclosed.total(self.policy)
    }

    /// What was disclosed so far, by kind.
    pub const fn disclosed(&self) -> Disclosed {
        self.disclosed
    }

    /// Closes the books.
    pub const fn close(self) -> Receipt {
        Receipt { disclosed: self.disclosed, policy: self.policy, cap: self.cap }
    }
}

/// Charges the ledger in `books`. Past its budget, or if it has gone, it is gone: an error, and nothing more can be
/// disclosed.
pub(crate) fn charge<E: From<BudgetExceeded>>(
    books: &mut Option<Ledger>,
    disclosure: Disclosure,
    gone: E,
) -> Result<Permit, E> {
    let (ledger, permit) = books.take().ok_or(gone)?.charge(disclosure)?;
    *books = Some(ledger);
    Ok(permit)
}

/// Closed books: what a key's final length is computed from.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the key is shorter by what the receipt says"]
pub struct Receipt {
    disclosed: Disclosed,
    policy: Policy,
    cap: LeakBits,
}

impl Receipt {
    /// Bits charged under the ledger's policy.
    pub const fn total(&self) -> LeakBits {
        self.disclosed.total(self.policy)
    }

    /// What was disclosed, by kind.
    pub const fn disclosed(&self) -> Disclosed {
        self.disclosed
    }

    /// The ledger's policy.
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// The ledger's budget.
    pub const fn cap(&self) -> LeakBits {
        self.cap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_at_the_cap_passes_and_one_bit_more_does_not() {
        for policy in [Policy::Exact, Policy::SyndromeCap, Policy::Conservative] {
            let charges = [
                Disclosure::Syndrome { bits: 2048, exact: 848 },
                Disclosure::Reveal { padding: 100, payload: 0, exact: 90 },
                Disclosure::Reveal { padding: 10, payload: 20, exact: 30 },
                Disclosure::Sample { bits: 500 },
                Disclosure::Tag { bits: 64 },
            ];
            let all = |cap| charges.iter().try_fold(Ledger::new(policy, cap), |l, c| Ok(l.charge(*c)?.0));
            let open: Result<_, BudgetExceeded> = all(LeakBits(u64::MAX));
            let total = open.map_or(LeakBits(0), |l| l.spent());
            let want = match policy {
                Policy::Exact => 848 + 90 + 30 + 64,
                Policy::SyndromeCap => 2048 + 20 + 64,
                Policy::Conservative => 2048 + 110 + 20 + 64,
            };
            assert_eq!(total, LeakBits(want));
            assert!(all(total).is_ok_and(|l| l.close().total() == total));
            let refused = all(LeakBits(total.0 - 1)).err();
            let expected = BudgetExceeded {
                attempted: LeakBits(64),
                spent: LeakBits(want - 64),
                cap: LeakBits(want - 1),
            };
            assert_eq!(refused, Some(expected));
        }
    }

    /// The check values: n = 4096, m = 2048, d positions punctured, some revealed.
    #[test]
    fn policies_match_the_check_values() {
        for (d, revealed, exact, conservative) in
            [(409, 0, 1639, 2048), (409, 409, 2048, 2457), (1802, 0, 246, 2048), (1802, 901, 1147, 2949)]
        {
            let disclosed = Disclosed {
                syndrome: LeakBits(2048),
                syndrome_exact: LeakBits(2048 - d),
                padding_revealed: LeakBits(revealed),
                padding_exact: LeakBits(revealed),
                ..Disclosed::default()
            };
            assert_eq!(disclosed.total(Policy::Exact), LeakBits(exact));
            assert_eq!(disclosed.total(Policy::SyndromeCap), LeakBits(2048));
            assert_eq!(disclosed.total(Policy::Conservative), LeakBits(conservative));
        }
    }
}
