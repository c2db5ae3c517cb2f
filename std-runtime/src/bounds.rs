//! What the security formulas give for a parameter file, and for the experiment of Erven et al. 2014.
//!
//! In: parameters. Out: the figures of a report. Counts are averages; nothing is simulated.

use caligo_core::limits;
use caligo_core::security::sampling::{clopper_pearson_lower, clopper_pearson_upper, serfling_mu};
use caligo_core::security::{
    Erven, ErvenLength, Forecast, Inequality, NsmParameters, Proof, Relation, Targets,
};
use serde::Serialize;

use crate::config::nsm::Parameters;

/// Code bits of a block, as the built-in code has them.
pub const BLOCK_BITS: usize = 4096;

/// The figures for a parameter file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// As they were given.
    pub nsm: NsmParameters,
    /// As they were given.
    pub security: Targets,
    /// Of dishonest Bob's memory.
    pub memory: MemoryFigures,
    /// Of the source and the detectors.
    pub source: SourceFigures,
    /// What an estimate of the error rate would tell. `None` without test bits.
    pub estimate: Option<EstimateFigures>,
    /// Least leak of error correction. `None` without errors.
    pub reconciliation: Option<LimitFigures>,
    /// Min-entropy rate of measured bits in bits a bit (Ng, Berta and Wehner).
    pub min_entropy_rate: f64,
    /// Greatest QBER that the max bound allows.
    pub qber_limit: f64,
    /// C_N nu < 1/2, what a protocol with interactive hashing needs.
    pub capacity: InequalityFigures,
    /// What each proof gives.
    pub proofs: ProofsFigures,
}

/// What each proof gives.
#[derive(Clone, Debug, Serialize)]
pub struct ProofsFigures {
    /// [`Proof::StrongConverse`].
    pub strong_converse: ProofFigures,
    /// [`Proof::MaxBound`].
    pub max_bound: ProofFigures,
}

/// Figures of a memory, rates in bits a qubit.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryFigures {
    /// r when the bases are told.
    pub noise_r: f64,
    /// nu.
    pub rate_nu: f64,
    /// C_N.
    pub capacity: f64,
    /// gamma_r(1/2).
    pub strong_converse_half: f64,
    /// h2.
    pub collision_rate: f64,
    /// h_A = Gamma(h2).
    pub collision_bound: f64,
    /// h_B = 1 - r.
    pub erasure_bound: f64,
    /// h.
    pub max_bound: f64,
    /// min(1/2, h).
    pub rational_bound: f64,
    /// 1/2 + nu (h - 1/2).
    pub bounded_storage: f64,
    /// The same, at most 1/2.
    pub rational_bounded_storage: f64,
}

/// Figures of the source, and average counts.
#[derive(Clone, Debug, Serialize)]
pub struct SourceFigures {
    /// Y: probability of a coincidence, a pair.
    pub coincidence_yield: f64,
    /// Y/2.
    pub sifted_rate: f64,
    /// Q of the physical model.
    pub qber: f64,
    /// Q by the rule of thumb.
    pub qber_heuristic: f64,
    /// h(Q).
    pub entropy: f64,
    /// v(Q).
    pub varentropy: f64,
    /// Rounds in which both sides clicked.
    pub rounds: f64,
    /// Bits of each set.
    pub set_bits: f64,
    /// nu N.
    pub stored_qubits: f64,
    /// Part of the rounds kept that may be stored.
    pub stored_part: f64,
}

/// What an estimate of the error rate would tell if errors were as many as expected.
#[derive(Clone, Debug, Serialize)]
pub struct EstimateFigures {
    /// Bits that tell.
    pub test_bits: u64,
    /// Errors among them.
    pub errors: u64,
    /// Lower bound of the error rate, except with probability `epsilon_ec`.
    pub lower: f64,
    /// Upper bound, likewise.
    pub upper: f64,
    /// mu for key distribution, at the same probability. `None` if sets are empty.
    pub mu: Option<f64>,
}

/// Limits of error correction.
#[derive(Clone, Debug, Serialize)]
pub struct LimitFigures {
    /// f that is planned with.
    pub f: f64,
    /// Payload of a block in bits.
    pub block_bits: usize,
    /// Frame error rate that leaves a set without an error, except with probability `epsilon_ec`.
    pub block_fer: f64,
    /// Least f of any code for such blocks: exact converse.
    pub f_converse: Option<f64>,
    /// An f that some code reaches for them: random-coding union bound.
    pub f_achievable: Option<f64>,
    /// f of the whole set at once by the normal approximation. `None` if it is below 1 bit.
    pub f_normal_set: Option<f64>,
}

/// What one proof gives, in bits.
#[derive(Clone, Debug, Serialize)]
pub struct ProofFigures {
    /// H_min^eps(X_{1-C} | B).
    pub min_entropy_bits: f64,
    /// Syndromes and a tag, of one set.
    pub leak_bits: f64,
    /// 2 log2(1/(2 eps_PA)).
    pub hashing_bits: f64,
    /// What is left, for both strings.
    pub surplus_bits: f64,
    /// Bits of each string.
    pub length: u64,
    /// Whether all of the inequalities hold.
    pub feasible: bool,
    /// What it needs.
    pub inequalities: Vec<InequalityFigures>,
}

/// An inequality and its sides.
#[derive(Clone, Debug, Serialize)]
pub struct InequalityFigures {
    /// Its name.
    pub name: &'static str,
    /// It in symbols.
    pub statement: &'static str,
    /// Left side.
    pub left: f64,
    /// Right side.
    pub right: f64,
    /// Whether left < right.
    pub holds: bool,
    /// Right less left.
    pub margin: f64,
}

impl From<Inequality> for InequalityFigures {
    fn from(inequality: Inequality) -> Self {
        let (left, right) = inequality.sides();
        Self {
            name: inequality.name(),
            statement: inequality.statement(),
            left,
            right,
            holds: inequality.holds(),
            margin: inequality.margin(),
        }
    }
}

/// All figures for `parameters`.
pub fn report(parameters: &Parameters) -> Report {
    let Parameters { nsm, targets, .. } = parameters;
    let forecast = Forecast::of(nsm, targets);
    let memory = nsm.memory();
    let qber = forecast.coincidences.qber;
    Report {
        nsm: *nsm,
        security: *targets,
        memory: MemoryFigures {
            noise_r: memory.noise(),
            rate_nu: memory.rate(),
            capacity: memory.capacity(),
            strong_converse_half: memory.strong_converse(0.5),
            collision_rate: memory.collision_rate(),
            collision_bound: memory.collision_bound(),
            erasure_bound: memory.erasure_bound(),
            max_bound: memory.max_bound(),
            rational_bound: memory.rational_bound(),
            bounded_storage: memory.bounded_storage(),
            rational_bounded_storage: memory.rational_bounded_storage(),
        },
        source: SourceFigures {
            coincidence_yield: forecast.coincidences.probability,
            sifted_rate: forecast.coincidences.sifted_rate(),
            qber,
            qber_heuristic: nsm.qber_heuristic(),
            entropy: limits::entropy(qber),
            varentropy: limits::varentropy(qber),
            rounds: forecast.rounds,
            set_bits: forecast.set_bits,
            stored_qubits: forecast.stored,
            stored_part: forecast.stored_part,
        },
        estimate: estimate(&forecast, targets),
        reconciliation: reconciliation(&forecast, targets),
        min_entropy_rate: forecast.min_entropy_rate,
        qber_limit: forecast.qber_limit,
        capacity: forecast.capacity().into(),
        proofs: ProofsFigures {
            strong_converse: figures_of(&forecast, Proof::StrongConverse),
            max_bound: figures_of(&forecast, Proof::MaxBound),
        },
    }
}

fn figures_of(forecast: &Forecast, proof: Proof) -> ProofFigures {
    let budget = forecast.budget(proof);
    ProofFigures {
        min_entropy_bits: budget.min_entropy_bits,
        leak_bits: budget.leak_bits,
        hashing_bits: budget.hashing_bits,
        surplus_bits: budget.surplus_bits(),
        length: budget.length(),
        feasible: forecast.feasible(proof).is_ok(),
        inequalities: forecast.inequalities(proof).into_iter().map(Into::into).collect(),
    }
}

fn estimate(forecast: &Forecast, targets: &Targets) -> Option<EstimateFigures> {
    let test_bits = forecast.test_bits.round() as u64;
    let errors = (test_bits as f64 * forecast.coincidences.qber).round() as u64;
    Some(EstimateFigures {
        test_bits,
        errors,
        lower: clopper_pearson_lower(errors, test_bits, targets.epsilon_ec())?,
        upper: clopper_pearson_upper(errors, test_bits, targets.epsilon_ec())?,
        mu: serfling_mu(forecast.set_bits.round() as u64, test_bits, targets.epsilon_ec()),
    })
}

fn reconciliation(forecast: &Forecast, targets: &Targets) -> Option<LimitFigures> {
    let qber = forecast.coincidences.qber;
    if !(qber > 0.0 && qber < 0.5) {
        return None;
    }
    let blocks = (forecast.set_bits / BLOCK_BITS as f64).ceil().max(1.0);
    let block_fer = targets.epsilon_ec().value() / blocks;
    let f = |leak| limits::efficiency(leak, BLOCK_BITS, qber);
    let set = forecast.set_bits.round() as usize;
    let normal = limits::normal_leak(set, qber, targets.epsilon_ec().value());
    Some(LimitFigures {
        f: targets.record().efficiency,
        block_bits: BLOCK_BITS,
        block_fer,
        f_converse: limits::converse_leak(BLOCK_BITS, qber, block_fer).map(f),
        f_achievable: limits::achievable_leak(BLOCK_BITS, qber, block_fer).map(|leak| f(leak as f64)),
        f_normal_set: (set > 0 && normal >= 1.0).then(|| limits::efficiency(normal, set, qber)),
    })
}

/// The reproduction of Erven et al. 2014.
#[derive(Clone, Debug, Serialize)]
pub struct ErvenReport {
    /// n.
    pub pairs: f64,
    /// m.
    pub rounds: f64,
    /// m1.
    pub single_pairs: f64,
    /// r.
    pub noise_r: f64,
    /// nu.
    pub rate_nu: f64,
    /// epsilon.
    pub epsilon: f64,
    /// f.
    pub f: f64,
    /// Q.
    pub qber: f64,
    /// zeta.
    pub zeta: f64,
    /// C_N.
    pub capacity: f64,
    /// With the penalty of Ng, Berta and Wehner's theorem.
    pub theorem: ErvenFigures,
    /// With the penalty of equation 4 as it is printed.
    pub as_printed: ErvenFigures,
    /// The length that was published.
    pub published_length: u64,
    /// n that gives the published length by the theorem.
    pub pairs_for_published: f64,
    /// How the theorem's length moves with what the paper's inputs leave open.
    pub sensitivity: Vec<Sensitivity>,
}

/// Parts of one length.
#[derive(Clone, Debug, Serialize)]
pub struct ErvenFigures {
    /// C_BB84.
    pub min_entropy_rate: f64,
    /// R.
    pub rate: f64,
    /// nu n gamma(R), in bits.
    pub min_entropy_bits: f64,
    /// (m/2) f h(Q), in bits.
    pub leak_bits: f64,
    /// log2(1/(2 eps)), in bits.
    pub hashing_bits: f64,
    /// l, in bits.
    pub length: f64,
}

/// How the length moves with one input.
#[derive(Clone, Debug, Serialize)]
pub struct Sensitivity {
    /// Which.
    pub input: &'static str,
    /// How much more of it.
    pub change: f64,
    /// How many bits that makes.
    pub bits: f64,
}

impl From<ErvenLength> for ErvenFigures {
    fn from(parts: ErvenLength) -> Self {
        Self {
            min_entropy_rate: parts.min_entropy_rate,
            rate: parts.rate,
            min_entropy_bits: parts.min_entropy_bits,
            leak_bits: parts.leak_bits,
            hashing_bits: parts.hashing_bits,
            length: parts.length,
        }
    }
}

/// The published experiment, with the theorem's penalty and with the printed one.
///
/// # Errors
/// None for the published figures.
pub fn erven_2014() -> Result<ErvenReport, caligo_core::security::ParameterError> {
    let published = Erven::PUBLISHED;
    let theorem = published.length(Relation::NgBertaWehner)?;
    let as_printed = published.length(Relation::AsPrinted)?;
    let moved = |input, change, erven: Erven| {
        let length = erven.length(Relation::NgBertaWehner)?.length;
        Ok(Sensitivity { input, change, bits: length - theorem.length })
    };
    let sensitivity = vec![
        moved("n", 0.06e7, Erven { pairs: published.pairs + 0.06e7, ..published })?,
        moved("Q", 0.0002, Erven { qber: published.qber + 0.0002, ..published })?,
        moved("m", 500.0, Erven { rounds: published.rounds + 500.0, ..published })?,
        moved("m1", 500.0, Erven { single_pairs: published.single_pairs + 500.0, ..published })?,
        moved("f", 0.0005, Erven { code_efficiency: published.code_efficiency + 0.0005, ..published })?,
    ];
    // l is linear in n where R is above 1.
    let slope = sensitivity[0].bits / sensitivity[0].change;
    Ok(ErvenReport {
        pairs: published.pairs,
        rounds: published.rounds,
        single_pairs: published.single_pairs,
        noise_r: published.memory.noise(),
        rate_nu: published.memory.rate(),
        epsilon: published.epsilon.value(),
        f: published.code_efficiency,
        qber: published.qber,
        zeta: theorem.zeta,
        capacity: theorem.capacity,
        published_length: Erven::PUBLISHED_LENGTH,
        pairs_for_published: published.pairs + (Erven::PUBLISHED_LENGTH as f64 - theorem.length) / slope,
        theorem: theorem.into(),
        as_printed: as_printed.into(),
        sensitivity,
    })
}
