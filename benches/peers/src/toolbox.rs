//! Decoders of `ldpc-toolbox`.

use std::rc::Rc;

use clap::ValueEnum;
use ldpc_toolbox::decoder::LdpcDecoder;
use ldpc_toolbox::decoder::factory::{DecoderFactory, DecoderImplementation};
use ldpc_toolbox::sparse::SparseMatrix;

use crate::coset::Cosets;
use crate::peer::{Batch, FRAME, Peer, Spent, cpu_seconds, llrs};

/// All decoders it has.
pub(crate) fn variants() -> impl Iterator<Item = String> {
    DecoderImplementation::value_variants().iter().map(ToString::to_string)
}

pub(crate) struct Toolbox {
    decoder: Box<dyn LdpcDecoder>,
    cosets: Rc<Cosets>,
    max_iterations: usize,
}

impl Toolbox {
    pub(crate) fn new(
        variant: &str,
        alist: &str,
        cosets: Rc<Cosets>,
        max_iterations: usize,
    ) -> anyhow::Result<Self> {
        let matrix = SparseMatrix::from_alist(alist).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let variant: DecoderImplementation = variant.parse().map_err(anyhow::Error::msg)?;
        Ok(Self { decoder: variant.build_decoder(matrix), cosets, max_iterations })
    }
}

impl Peer for Toolbox {
    fn decode(&mut self, batch: Batch<'_>, decisions: &mut [u64]) -> anyhow::Result<Spent> {
        let mut prior = vec![0.0; FRAME * 64];
        let mut spent = Spent::default();
        for ((received, syndrome), decision) in batch.iter().zip(decisions.chunks_exact_mut(FRAME)) {
            let shift = self.cosets.member(syndrome);
            for ((word, &r), &s) in decision.iter_mut().zip(received).zip(&shift) {
                *word = r ^ s;
            }
            llrs(decision, batch.qber, &mut prior);
            let start = cpu_seconds();
            let (Ok(output) | Err(output)) = self.decoder.decode(&prior, self.max_iterations);
            spent += Spent { seconds: cpu_seconds() - start, iterations: output.iterations as u64 };
            for ((word, bits), &s) in decision.iter_mut().zip(output.codeword.chunks_exact(64)).zip(&shift) {
                *word = s ^ bits.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit));
            }
        }
        Ok(spent)
    }
}
