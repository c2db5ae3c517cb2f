//! What is told of the cliff, if there are models: sections of the page, and the safety manual.

use super::map::{FIDELITY, Line, Map, SECTIONS, half, short};
use super::page::Page;
use super::sections::{BLACK, GREY, colour, number};
use crate::campaign::cliff::ask::{PAIRS, SIDES};
use crate::campaign::cliff::chance::SEEN;
use crate::campaign::cliff::data::STRATEGIES;
use crate::campaign::cliff::model::Model;
use crate::campaign::cliff::train::LEVELS;
use crate::campaign::rows::Outcome;
use crate::campaign::space::{Scale, TABLE};
use crate::config::campaign::Acquisition;
use crate::plot::COLOURS;
use crate::plot::chart::{Axis, Chart, Layer, Shape};

impl Map {
    fn axis(&self, of: usize) -> Axis {
        let (axis, dimension) = (self.campaign.space.axes[of], &TABLE[of]);
        let name = dimension.quantity.name();
        let label =
            if dimension.unit.is_empty() { name.into() } else { format!("{name}, {}", dimension.unit) };
        match axis.scale {
            Scale::Log => Axis::log(&label, axis.low, axis.high),
            _ => Axis::linear(&label, axis.low, axis.high),
        }
    }

    /// All sections of the report.
    pub(super) fn tell(&self, page: &mut Page) {
        self.models(page);
        self.critical(page);
        self.sections(page);
        self.crossover(page);
        self.importance(page);
        self.choices(page);
        self.guardrail(page);
    }

    fn validation(&self, page: &mut Page) {
        let rows = STRATEGIES.iter().enumerate().filter_map(|(of, strategy)| {
            let model = self.trained.models[of].as_ref()?;
            let v = &self.trained.validation[of];
            let mut cells = vec![
                strategy.to_string(),
                model.samples().len().to_string(),
                v.samples.to_string(),
                number(v.rmse, 5),
                number(v.spread, 5),
                number(v.signs, 4),
                number(v.nlpd, 3),
            ];
            cells.extend(v.coverage.map(|part| number(part, 3)));
            Some(cells)
        });
        let levels = LEVELS.map(|level| format!("in {:.0} %", 100.0 * level));
        let [half, most, nearly] = levels.each_ref().map(String::as_str);
        page.table(
            &[
                "strategy",
                "samples",
                "kept apart",
                "RMSE",
                "spread",
                "sign right",
                "-log density",
                half,
                most,
                nearly,
            ],
            rows.collect(),
        );
    }

    fn models(&self, page: &mut Page) {
        page.heading("Models of the clearance");
        page.text(
            "Clearance is how far a run was from failing, in bits of each bit of a set. A Gaussian process for each strategy \
             (Matern 5/2, one length scale a parameter, constant mean, noise) says what clearance is to be expected anywhere, \
             and how sure that is. The table has how good it was on a tenth of the design \
             that it had not seen: root of the mean squared error beside the spread of the clearances, and how many of them lay \
             in the intervals that were to hold 50, 90 and 95 %.",
        );
        self.validation(page);
        for incident in &self.trained.incidents {
            page.text(format!("{}: {}; {}.", incident.strategy, incident.seen, incident.done));
        }
    }

    fn critical(&self, page: &mut Page) {
        page.heading("Pairs that it takes");
        page.text(format!(
            "N_crit: the number of pairs from which on the clearance is above 0, for a device with {} (medians of the samples \
             that succeeded), whose fidelity makes the error rate: half of the runs succeed there. In brackets the ends by 95 % \
             intervals of the clearance, then the number from which on one run is expected to succeed with 39 chances in 40. \
             n_crit.csv has the same.",
            self.reference_text()
        ));
        page.table(
            &["QBER", "fidelity", "baseline", "blind"],
            self.lines.iter().map(|line| self.cells(line)).collect(),
        );
        let mut chart = Chart::new(
            "Pairs that it takes",
            Axis::linear("QBER of the model", 0.0, self.lines.last().map_or(0.1, |line| 1.1 * line.qber)),
            self.axis(PAIRS),
        );
        for (of, strategy) in STRATEGIES.iter().enumerate() {
            let at = |line: &Line| line.critical[of].map(|critical| (line.qber, critical));
            let found: Vec<_> = self.lines.iter().filter_map(at).collect();
            let middle: Vec<(f64, f64)> = found.iter().filter_map(|(q, c)| Some((*q, c.pairs?))).collect();
            let (low, high) = (self.campaign.space.axes[PAIRS].low, self.campaign.space.axes[PAIRS].high);
            let ends = |(q, c): &(f64, _)| {
                let c: &crate::campaign::cliff::ask::Critical = c;
                c.low.map(|from| (*q, from.max(low), c.high.unwrap_or(high)))
            };
            let whiskers: Vec<(f64, f64, f64)> = found.iter().filter_map(ends).collect();
            let name = strategy.to_string();
            chart = chart.with(Layer::new(&name, colour(&name), Shape::Line(middle))).with(Layer::new(
                "",
                colour(&name),
                Shape::Whiskers(whiskers),
            ));
        }
        page.figure(
            "critical",
            &chart,
            "Above a line a transfer is expected to succeed; bars are 95 % intervals.",
        );
    }

    fn cells(&self, line: &Line) -> Vec<String> {
        let axis = self.campaign.space.axes[PAIRS];
        let pairs = |value: Option<f64>| match value {
            None => format!("> {}", short(axis.high)),
            Some(least) if least <= axis.low => format!("<= {}", short(least)),
            Some(value) => short(value),
        };
        let mut cells = vec![format!("{:.1} %", 100.0 * line.qber), format!("{:.4}", line.fidelity)];
        cells.extend(line.critical.map(|critical| {
            critical.map_or_else(
                || "-".into(),
                |c| {
                    let [n, low, high, run] = [c.pairs, c.low, c.high, c.run].map(pairs);
                    format!("{n} ({low} to {high}); {run}")
                },
            )
        }));
        cells
    }

    fn sections(&self, page: &mut Page) {
        page.heading("Sections of the cliff");
        for (x, y) in SECTIONS {
            let held = |of: usize| self.campaign.space.axes[of].low == self.campaign.space.axes[of].high;
            if held(x) || held(y) {
                continue;
            }
            let names = [x, y].map(|of| TABLE[of].quantity.name());
            let mut chart = Chart::new(
                &format!("Clearance 0: {} and {}", names[0], names[1]),
                self.axis(x),
                self.axis(y),
            );
            for strategy in STRATEGIES {
                let name = strategy.to_string();
                let line = self.crossing(strategy, x, y, 0.0);
                if line.is_empty() {
                    continue;
                }
                chart = chart.with(Layer::new(&name, colour(&name), Shape::Line(line)));
                for sides in [SIDES, -SIDES] {
                    let side = self.crossing(strategy, x, y, sides);
                    chart = chart.with(Layer::new("", colour(&name), Shape::Dashes(side)));
                }
            }
            chart.size = (720.0, 320.0);
            page.figure(
                &format!("section_{}_{}", names[0], names[1]),
                &chart,
                "Everything else as in the reference; dashes are where the ends of the 95 % interval cross 0.",
            );
        }
    }

    fn crossover(&self, page: &mut Page) {
        page.heading("Blind against baseline");
        let values = self.steps(PAIRS, 60);
        let [baseline, blind] =
            STRATEGIES.map(|strategy| self.along(self.yielded(strategy), strategy, &[], PAIRS, &values));
        if baseline.is_empty() || blind.is_empty() {
            page.text("Too few samples of one of them succeeded.");
            return;
        }
        let gain: Vec<(f64, f64, f64)> = values
            .iter()
            .zip(baseline.iter().zip(&blind))
            .map(|(&n, (a, b))| (n, b.mean - a.mean, half(*a).hypot(half(*b))))
            .collect();
        let most = gain.iter().map(|(_, d, h)| d.abs() + h).fold(1e-4, f64::max);
        let side = |sign: f64| gain.iter().map(|(n, d, h)| (*n, d + sign * h)).collect();
        let chart = Chart::new(
            "Margin of blind less that of baseline",
            self.axis(PAIRS),
            Axis::linear("bits a pair", -most, most),
        )
        .with(Layer::new("mean", COLOURS[2], Shape::Line(gain.iter().map(|(n, d, _)| (*n, *d)).collect())))
        .with(Layer::new("95 % interval", COLOURS[2], Shape::Dashes(side(1.0))))
        .with(Layer::new("", COLOURS[2], Shape::Dashes(side(-1.0))))
        .with(Layer::new(
            "",
            BLACK,
            Shape::Line(vec![(values[0], 0.0), (values[values.len() - 1], 0.0)]),
        ));
        page.figure(
            "crossover",
            &chart,
            "By models of the margin, learnt from runs that succeeded. Above 0 blind leaves more, below baseline; everything else \
             as in the reference.",
        );
        let crossing = gain.windows(2).find(|pair| (pair[0].1 > 0.0) != (pair[1].1 > 0.0));
        page.text(if let Some(pair) = crossing {
            format!("By the means they cross at about {} pairs.", short(pair[1].0))
        } else {
            let better = if gain.iter().all(|(_, d, _)| *d > 0.0) { "blind" } else { "baseline" };
            format!("By the means {better} leaves more over the whole range.")
        });
    }

    fn importance(&self, page: &mut Page) {
        page.heading("What the clearance depends on");
        let [baseline, blind] = STRATEGIES.map(|strategy| self.trained.model(strategy).map(Model::lengths));
        let inverse = |lengths: &Option<[Option<f64>; SEEN]>, of: usize| {
            number(lengths.as_ref().and_then(|lengths| lengths[of]).map(|length| 1.0 / length), 4)
        };
        let names = TABLE.iter().map(|dimension| dimension.quantity.name()).chain(["excess of the estimate"]);
        let rows = names
            .enumerate()
            .map(|(of, name)| vec![name.to_owned(), inverse(&baseline, of), inverse(&blind, of)]);
        page.table(&["parameter", "1/length scale, baseline", "blind"], rows.collect());
        page.text(
            "Length scales in standard deviations of the design (of logarithms, where the scale is logarithmic): the larger the \
             inverse, the faster the clearance changes. Near 0: it makes no difference. The excess of the estimate, h(q) - h(Q) in \
             bits a bit, is chance: q is what a run's sample showed, Q the device's rate. All curves are drawn where it is 0.",
        );
    }

    fn choices(&self, page: &mut Page) {
        if self.iterations.is_empty() {
            return;
        }
        page.heading("Samples that the models chose");
        let last = self.iterations.len() as f64;
        let best = |i: &crate::campaign::cliff::suggest::Iteration| {
            i.suggestions.iter().map(|s| s.value).fold(f64::NEG_INFINITY, f64::max)
        };
        let values: Vec<(f64, f64)> = self
            .iterations
            .iter()
            .map(|i| (i.number as f64 + 1.0, best(i)))
            .filter(|(_, v)| v.is_finite())
            .collect();
        let (low, high) = values.iter().fold((0.0_f64, 1e-6_f64), |(l, h), (_, v)| (l.min(*v), h.max(*v)));
        let what = match self.campaign.active.acquisition {
            Acquisition::UncertaintyReduction => "greatest expected reduction of p (1 - p)",
            Acquisition::Straddle => "greatest 1.96 sigma - |mu|, bits a bit",
            Acquisition::RandomisedStraddle => "greatest kappa sigma - |mu|, bits a bit",
        };
        let chart = Chart::new(
            "Acquisition",
            Axis::linear("iteration", 0.0, last),
            Axis::linear(what, 1.1 * low, 1.1 * high),
        )
        .with(Layer::new("", COLOURS[0], Shape::Line(values)));
        page.figure("acquisition", &chart, "It falls as less is left to be learnt near the cliff.");
        let mut chart = Chart::new(
            "Expected error of the map",
            Axis::linear("iteration", 0.0, last),
            Axis::linear("part of the space called wrong", 0.0, 1.1 * self.doubts().fold(1e-4, f64::max)),
        );
        for (of, strategy) in STRATEGIES.iter().enumerate() {
            let line: Vec<(f64, f64)> =
                self.iterations.iter().filter_map(|i| Some((i.number as f64, i.doubt[of]?))).collect();
            let name = strategy.to_string();
            chart = chart.with(Layer::new(&name, colour(&name), Shape::Line(line)));
        }
        page.figure(
            "doubt",
            &chart,
            "Mean over the space of the probability that the sign of the clearance is another.",
        );
        let near = self.near.map(|(runs, near)| (runs > 0).then(|| 100.0 * near as f64 / runs as f64));
        page.text(format!(
            "Within two deviations of the cliff lie {} % of the design's {} samples that were run, and {} % of the {} that \
             were chosen.",
            number(near[0], 1),
            self.near[0].0,
            number(near[1], 1),
            self.near[1].0
        ));
        let dots = |succeeded: bool| {
            let of = |row: &&crate::campaign::rows::Row| match row.outcome {
                Outcome::Succeeded => succeeded,
                Outcome::Failed => !succeeded,
                _ => false,
            };
            let rows = self.chosen.iter().filter(of);
            rows.map(|row| (f64::from(row.qber_expected), f64::from(row.inputs[PAIRS]))).collect::<Vec<_>>()
        };
        let (bad, good) = (dots(false), dots(true));
        let most = bad.iter().chain(&good).map(|(q, _)| *q).fold(0.01, f64::max);
        let chart =
            Chart::new("Where they are", Axis::linear("QBER of the model", 0.0, most), self.axis(PAIRS))
                .with(Layer::new("ended early", GREY, Shape::Dots(bad)))
                .with(Layer::new("succeeded", COLOURS[2], Shape::Dots(good)));
        page.figure("chosen", &chart, "Samples that were chosen, over two of their parameters.");
    }

    fn doubts(&self) -> impl Iterator<Item = f64> + '_ {
        self.iterations.iter().flat_map(|i| i.doubt.into_iter().flatten())
    }

    fn guardrail(&self, page: &mut Page) {
        page.heading("Guardrail");
        if self.trained.guardrail.is_none() {
            page.text("There is none: all samples ended alike.");
            return;
        }
        let d = &self.trained.discrimination;
        page.text(format!(
            "A random forest foretells success. On {} samples kept apart: area under the curve {}, Brier score {}; it would have \
             skipped {}, of which {} succeed.",
            d.samples,
            number(d.auc, 4),
            number(d.brier, 4),
            d.skipped,
            d.false_skips
        ));
        let audit = &self.audit;
        page.text(match audit.rate() {
            None => format!("Chosen samples: {} skipped, none of them run to see.", audit.skipped),
            Some((rate, low, high)) => format!(
                "Chosen samples: {} skipped; of {} that were run all the same, {} succeeded: a false-skip rate of {:.2} % (95 \
                 %: {:.2} to {:.2}).{}",
                audit.skipped,
                audit.audited,
                audit.succeeded,
                100.0 * rate,
                100.0 * low,
                100.0 * high,
                if audit.trusts(self.campaign.active.false_skips) { "" } else { " It has been switched off." }
            ),
        });
    }

    /// A document for operators.
    pub(super) fn manual(&self) -> Page {
        let mut page = Page { title: "Safety manual".into(), parts: Vec::new() };
        page.text(
            "For whoever runs oblivious transfer on a device: with how many pairs it is expected to give strings, and where it \
             must not be relied on. A run that lacks entropy ends by itself and gives nothing: what is at stake here is a run \
             in vain, not a secret.",
        );
        page.heading("How to read it");
        page.text(
            "Measure your error rate, round it up to the next line. Take at least the last number of pairs of your strategy's \
             cell, after the semicolon: from there on one run is expected to succeed with 39 chances in 40. N_crit itself is where \
             half of the runs succeed, in brackets how well it is known; with fewer pairs than that a run is expected to be in \
             vain. For a device that differs from the reference ask: \
             caligo-run campaign ask --params FILE, and with --verify K run real samples.",
        );
        page.text(format!("The reference: {}.", self.reference_text()));
        page.table(
            &["QBER", "fidelity", "baseline: N_crit (from, to); for a run", "blind"],
            self.lines.iter().map(|line| self.cells(line)).collect(),
        );
        if let Some(last) =
            self.lines.iter().rev().find(|l| l.critical.iter().flatten().any(|c| c.run.is_some()))
        {
            page.text(format!(
                "Above an error rate of {:.1} % no number of pairs up to {} is sure to suffice for the reference.",
                100.0 * last.qber,
                short(self.campaign.space.axes[PAIRS].high)
            ));
        }
        page.heading("Memory of a dishonest receiver");
        let steps = self.steps(1, 7);
        let rows = steps.iter().map(|&rate| {
            let critical = STRATEGIES.map(|strategy| {
                let model = self.trained.model(strategy)?;
                let inputs = self.at(strategy, &[(1, rate)]);
                Some(crate::campaign::cliff::ask::critical(model, &self.campaign, &inputs))
            });
            let fidelity = f64::from(self.reference[FIDELITY]);
            let [_, _, baseline, blind] =
                <[String; 4]>::try_from(self.cells(&Line { qber: 0.0, fidelity, critical }))
                    .unwrap_or_default();
            vec![short(rate), baseline, blind]
        });
        page.table(&["storage_rate_nu", "baseline: N_crit (from, to); for a run", "blind"], rows.collect());
        page.heading("Evidence");
        page.text(format!(
            "{} simulated transfers of the design and {} chosen by the models, both parties' real machines. Blind correction \
             assumes an Alice who follows the protocol. Failures allowed: epsilon {}, epsilon_pa {}, epsilon_ec {}.",
            self.near[0].0,
            self.near[1].0,
            self.campaign.targets().record().epsilon,
            self.campaign.targets().record().epsilon_pa,
            self.campaign.targets().record().epsilon_ec
        ));
        self.validation(&mut page);
        page.text(
            "Models know nothing outside of the ranges that were sampled, and of devices whose losses or errors depend on bases \
             or values. Security itself rests on the protocol's own bounds in every run, not on this table.",
        );
        page
    }
}
