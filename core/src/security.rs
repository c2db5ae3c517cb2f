//! Security of oblivious transfer in the noisy-storage model, and of key distribution ([`key`]), at finite size.
//!
//! Dishonest Bob may compute without limit, but what he stores while both wait decays: each qubit of his
//! [`Memory`] is depolarised, N_r = r rho + (1 - r) I/2, and he can store only the part nu of them. From this
//! follows how many bits of one of Alice's two strings he does not know, and from that how long the strings
//! may be. The error rate between honest parties is no part of the proofs; the syndromes that correct it are.
//!
//! | module | what comes in → what goes out |
//! |---|---|
//! | [`device`] | numbers of source, channel and detectors → [`Device`], or what is out of range |
//! | [`parameters`] | numbers of a device and its adversary → [`NsmParameters`], or what is out of range |
//! | [`storage`] | r, nu → capacity, exponents and min-entropy rates of a memory |
//! | [`uncertainty`] | measured qubits, epsilon → min-entropy rate of BB84 bits |
//! | [`sampling`] | errors in a sample → bounds of an error rate |
//! | [`source`] | fidelity, efficiencies, errors → yield and error rate of pairs |
//! | [`length`](mod@length) | min-entropy, leak, epsilon → bits that may be used |
//! | [`key`] | errors of a key distribution's test rounds → length of its key |
//! | [`forecast`] | [`NsmParameters`], [`Targets`] → what a run gives, or the inequality that forbids it |
//!
//! Entropy, varentropy, the finite-length converse and the achievability bound of reconciliation are in
//! [`limits`](crate::limits). All logarithms are to base 2 and all entropies in bits unless said otherwise.
//! No function here gives NaN for finite arguments.
//!
//! ```
//! use caligo_core::security::{Forecast, NsmParameters, NsmRecord, Proof, TargetRecord, Targets};
//!
//! let parameters = NsmParameters::new(NsmRecord {
//!     storage_noise_r: Some(0.3),
//!     storage_rate_nu: 0.01,
//!     channel_fidelity: 0.99,
//!     detection_eff_eta: 0.9,
//!     ..NsmRecord::default()
//! })?;
//! let forecast = Forecast::of(&parameters, &Targets::new(TargetRecord::default())?);
//! assert!(forecast.feasible(Proof::StrongConverse).is_ok_and(|budget| budget.length() > 10_000));
//! # Ok::<(), caligo_core::security::ParameterError>(())
//! ```

pub mod device;
mod divergence;
pub mod forecast;
pub mod key;
pub mod length;
pub mod parameters;
pub mod sampling;
pub mod source;
pub mod storage;
pub mod uncertainty;

pub use device::{Device, DeviceRecord, Pairs};
pub use forecast::{Forecast, Inequality, Infeasible, Proof, TargetRecord, Targets};
pub use key::{BasisCounts, KeyBudget, KeyForecast, KeyTargetRecord, KeyTargets};
pub use length::{Budget, Erven, ErvenLength};
pub use parameters::{Epsilon, NsmParameters, NsmRecord, ParameterError, Quantity};
pub use source::{Arm, Coincidences};
pub use storage::Memory;
pub use uncertainty::Relation;
