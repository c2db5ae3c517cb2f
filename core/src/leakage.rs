//! What reconciliation discloses, by kind, and what each accounting policy charges for it.
//!
//! For a syndrome S = H_X x + H_P u with private uniform padding u on punctured positions,
//! H_min(X | E, S) >= H_min(X | E) - (rank H - rank H_P). With independent punctured columns and a
//! matrix of full rank that is m - p bits; after D padding bits have been revealed, m - (p - D).

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

#[cfg(test)]
mod tests {
    use super::*;

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
