//! How blocks are reconciled.

use core::fmt;

use caligo_core::wire;

/// How to reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum Strategy {
    /// One syndrome a block at a rate chosen for the QBER (Elkouss et al. 2010).
    Baseline,
    /// One syndrome, then padding is revealed step by step until Bob decodes (Martinez-Mateo et al. 2012).
    Blind,
    /// Bob names the positions he is least sure of, Alice reveals them (Kiktenko et al. 2017).
    Symmetric,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline => "baseline",
            Self::Blind => "blind",
            Self::Symmetric => "symmetric",
        })
    }
}

impl From<Strategy> for wire::Strategy {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Baseline => Self::Baseline,
            Strategy::Blind => Self::Blind,
            Strategy::Symmetric => Self::Symmetric,
        }
    }
}

impl From<wire::Strategy> for Strategy {
    fn from(strategy: wire::Strategy) -> Self {
        match strategy {
            wire::Strategy::Blind => Self::Blind,
            wire::Strategy::Symmetric => Self::Symmetric,
            _ => Self::Baseline,
        }
    }
}
