//! The mother codes that are built in, with the tables that select their rates.

use alloc::format;
use alloc::string::String;

use caligo_core::code::{Code, QcCode, mother_4096};
#[cfg(feature = "large-codes")]
use caligo_core::code::{mother_8192, mother_16384, mother_65536};
use caligo_core::rate::{RateTable, table_4096};
#[cfg(feature = "large-codes")]
use caligo_core::rate::{table_8192, table_16384, table_65536};
use caligo_engine::Tier;

/// A mother code, by its length in bits. All have rate 1/2 and the same base degrees; the longer, the closer to the
/// limit, and the more bits it takes to fill a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Mother {
    /// 4096 bits: the one that firmware and pages have.
    #[default]
    #[cfg_attr(feature = "clap", value(name = "4096"))]
    N4096,
    /// 8192 bits.
    #[cfg(feature = "large-codes")]
    #[cfg_attr(feature = "clap", value(name = "8192"))]
    N8192,
    /// 16384 bits.
    #[cfg(feature = "large-codes")]
    #[cfg_attr(feature = "clap", value(name = "16384"))]
    N16384,
    /// 65536 bits.
    #[cfg(feature = "large-codes")]
    #[cfg_attr(feature = "clap", value(name = "65536"))]
    N65536,
}

impl Mother {
    /// All, by length.
    #[cfg(feature = "large-codes")]
    pub const ALL: [Self; 4] = [Self::N4096, Self::N8192, Self::N16384, Self::N65536];
    /// All, by length.
    #[cfg(not(feature = "large-codes"))]
    pub const ALL: [Self; 1] = [Self::N4096];

    /// Length in bits.
    pub fn n(self) -> usize {
        self.code().n()
    }

    /// Its name in files.
    pub fn name(self) -> String {
        format!("mother_{}", self.n())
    }

    /// The code.
    pub fn code(self) -> Code<'static> {
        self.quasi_cyclic().into()
    }

    /// The code as the circulants it consists of.
    pub fn quasi_cyclic(self) -> QcCode<'static> {
        match self {
            Self::N4096 => mother_4096::CODE,
            #[cfg(feature = "large-codes")]
            Self::N8192 => mother_8192::CODE,
            #[cfg(feature = "large-codes")]
            Self::N16384 => mother_16384::CODE,
            #[cfg(feature = "large-codes")]
            Self::N65536 => mother_65536::CODE,
        }
    }

    /// Its measured rates with the decoder of `tier`. Those of the longer codes were measured with two tiers; `precise`
    /// bears what `balanced` does, and a little more.
    pub fn rates(self, tier: Tier) -> RateTable<'static> {
        match (self, tier) {
            (Self::N4096, Tier::Precise) => table_4096::PRECISE,
            (Self::N4096, Tier::Balanced) => table_4096::BALANCED,
            (Self::N4096, Tier::Fast) => table_4096::FAST,
            #[cfg(feature = "large-codes")]
            (Self::N8192, Tier::Fast) => table_8192::FAST,
            #[cfg(feature = "large-codes")]
            (Self::N8192, _) => table_8192::BALANCED,
            #[cfg(feature = "large-codes")]
            (Self::N16384, Tier::Fast) => table_16384::FAST,
            #[cfg(feature = "large-codes")]
            (Self::N16384, _) => table_16384::BALANCED,
            #[cfg(feature = "large-codes")]
            (Self::N65536, Tier::Fast) => table_65536::FAST,
            #[cfg(feature = "large-codes")]
            (Self::N65536, _) => table_65536::BALANCED,
        }
    }
}
