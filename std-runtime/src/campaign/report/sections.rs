//! What is told of the findings, section by section.

use super::findings::{BINS, Findings, MOST_QBER, Share, is_log, strategy_name};
use super::map::Map;
use super::page::{Page, Part};
use crate::campaign::rows::{Row, input_names};
use crate::campaign::space::TABLE;
use crate::campaign::state::State;
use crate::plot::COLOURS;
use crate::plot::chart::{Axis, Chart, Layer, Shape};

pub(super) const GREY: &str = "#999";
pub(super) const BLACK: &str = "#222";

/// The whole page.
pub(super) fn page(state: &State, found: &Findings, map: Option<&Map>) -> Page {
    let name = if state.name.is_empty() { "without a name" } else { &state.name };
    let mut page = Page { title: format!("Campaign {name}"), parts: Vec::new() };
    summary(&mut page, state, found);
    cliff(&mut page, found);
    finite_key(&mut page, found);
    strategies(&mut page, found);
    failures(&mut page, found);
    if let Some(map) = map {
        map.tell(&mut page);
    }
    marginals(&mut page, found);
    correlations(&mut page, found);
    provenance(&mut page, state, found);
    page
}

impl Page {
    pub(super) fn heading(&mut self, text: &str) {
        self.parts.push(Part::Heading(text.into()));
    }

    pub(super) fn text(&mut self, text: impl Into<String>) {
        self.parts.push(Part::Text(text.into()));
    }

    pub(super) fn table(&mut self, head: &[&str], rows: Vec<Vec<String>>) {
        self.parts.push(Part::Table { head: head.iter().map(|&cell| cell.into()).collect(), rows });
    }

    pub(super) fn figure(&mut self, name: &str, chart: &Chart, caption: &str) {
        // Writing to a string does not fail.
        let svg = chart.svg().unwrap_or_default();
        self.parts.push(Part::Figure { name: name.into(), caption: caption.into(), svg });
    }
}

pub(super) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.decimals$}"))
}

fn percent(share: Share) -> String {
    let (low, high) = share.interval();
    number(share.value().map(|value| 100.0 * value), 2)
        + &format!(" ({:.2} to {:.2})", 100.0 * low, 100.0 * high)
}

pub(super) fn colour(strategy: &str) -> &'static str {
    COLOURS[usize::from(strategy == "blind")]
}

fn points(rows: &[Row], keep: impl Fn(&Row) -> bool, at: impl Fn(&Row) -> (f32, f32)) -> Vec<(f64, f64)> {
    let kept = rows.iter().filter(|row| keep(row)).map(at);
    kept.map(|(x, y)| (f64::from(x), f64::from(y))).collect()
}

fn strategy_of(row: &Row) -> &'static str {
    let [.., code] = row.inputs;
    strategy_name(code)
}

/// Dots of the rows that succeeded, a layer for each strategy.
fn by_strategy(mut chart: Chart, rows: &[Row], at: impl Fn(&Row) -> (f32, f32)) -> Chart {
    for strategy in ["baseline", "blind"] {
        let dots = points(rows, |row| strategy_of(row) == strategy, &at);
        if !dots.is_empty() {
            chart = chart.with(Layer::new(strategy, colour(strategy), Shape::Dots(dots)));
        }
    }
    chart
}

fn summary(page: &mut Page, state: &State, found: &Findings) {
    let all = found.strategies.values().fold(Share::default(), |sum, of| Share {
        runs: sum.runs + of.share.runs,
        succeeded: sum.succeeded + of.share.succeeded,
    });
    let best = found.succeeded.iter().map(|row| row.net_efficiency).fold(0.0, f32::max);
    page.text(format!(
        "{} of {} samples have a result. Each is one oblivious transfer in the noisy-storage model, both parties' real \
         machines on simulated photon pairs; {} gave both parties their strings: {} % of the points (95 % interval). The \
         greatest net efficiency among those shown is {best:.4} bits a pair.",
        all.runs,
        state.target,
        all.succeeded,
        percent(all),
    ));
    page.text(
        "Margin is (min-entropy - leak - overheads)/N in bits a pair, with its sign: what is left for both strings. Net \
         efficiency is the margin of a run that succeeded, else 0. The cliff is where the margin changes its sign.",
    );
}

fn cliff(page: &mut Page, found: &Findings) {
    page.heading("Error rate and net efficiency: the cliff");
    let most = found.succeeded.iter().map(|row| row.net_efficiency).fold(1e-3, f32::max);
    let width = MOST_QBER / BINS as f64;
    // As far as there are samples, in whole bins.
    let worst = found
        .failed
        .iter()
        .chain(&found.succeeded)
        .map(|row| f64::from(row.qber_expected))
        .fold(0.0, f64::max);
    let shown = ((worst / width).ceil() * width).clamp(width, MOST_QBER);
    let mut best = [None::<f32>; BINS];
    for row in &found.succeeded {
        if let Some(best) = best.get_mut((f64::from(row.qber_expected) / width) as usize) {
            *best = Some(best.map_or(row.net_efficiency, |most| most.max(row.net_efficiency)));
        }
    }
    let envelope: Vec<(f64, f64)> = best
        .iter()
        .enumerate()
        .filter_map(|(bin, best)| best.map(|best| ((bin as f64 + 0.5) * width, f64::from(best))))
        .collect();
    let chart = Chart::new(
        "Net efficiency over the error rate",
        Axis::linear("QBER of the model", 0.0, shown),
        Axis::linear("net efficiency, bits a pair", 0.0, 1.05 * f64::from(most)),
    );
    let failed = points(&found.failed, |_| true, |row| (row.qber_expected, 0.0));
    let chart = chart.with(Layer::new("ended early", GREY, Shape::Dots(failed)));
    let chart = by_strategy(chart, &found.succeeded, |row| (row.qber_expected, row.net_efficiency))
        .with(Layer::new("greatest in each bin", BLACK, Shape::Dashes(envelope)));
    page.figure(
        "efficiency",
        &chart,
        "Each dot is a sample. Beyond the cliff no sample gives a bit, whatever its other parameters are.",
    );

    let shares: Vec<(f64, f64, f64)> = bins(&found.qber, |part| part * MOST_QBER)
        .filter_map(|(from, to, share)| Some((from, to, share.value()?)))
        .collect();
    let whiskers = bins(&found.qber, |part| part * MOST_QBER)
        .filter(|(.., share)| share.runs > 0)
        .map(|(from, to, share)| (f64::midpoint(from, to), share.interval().0, share.interval().1))
        .collect();
    let top = shares.iter().map(|bar| bar.2).fold(0.02, f64::max);
    let chart = Chart::new(
        "Points that gave strings",
        Axis::linear("QBER of the model", 0.0, shown),
        Axis::linear("share of the points", 0.0, (1.4 * top).min(1.0)),
    )
    .with(Layer::new("", COLOURS[2], Shape::Bars(shares)))
    .with(Layer::new("", BLACK, Shape::Whiskers(whiskers)));
    page.figure("cliff", &chart, "Share of all points in a bin of the error rate, with its 95 % interval.");

    let low =
        found.failed.iter().map(|row| row.margin).filter(|margin| margin.is_finite()).fold(-0.05, f32::min);
    let last = worst.max(width);
    let chart = Chart::new(
        "Margin over the error rate",
        Axis::linear("QBER of the model", 0.0, last),
        Axis::linear("margin, bits a pair", 1.05 * f64::from(low), 1.2 * f64::from(most)),
    );
    let failed = points(&found.failed, |row| row.margin.is_finite(), |row| (row.qber_expected, row.margin));
    let chart = chart.with(Layer::new("ended early", GREY, Shape::Dots(failed)));
    let zero = vec![(0.0, 0.0), (last, 0.0)];
    let chart = by_strategy(chart, &found.succeeded, |row| (row.qber_expected, row.margin)).with(Layer::new(
        "the cliff: margin 0",
        BLACK,
        Shape::Line(zero),
    ));
    page.figure(
        "margin",
        &chart,
        "With its sign, the margin says how far a point is from the cliff. Of a run that ended before its blocks were \
         planned it is worked out from the rounds it had, and the planned efficiency of error correction.",
    );
    let (both, other) = found.mistaken;
    page.text(format!(
        "The margin predicted from the parameters alone has another sign than what happened in {other} of {both} runs: \
         finite samples bound the error rate from above, and codes at finite length disclose more than was planned."
    ));
}

/// Bins with their ends, which `at` takes from 0 to 1 to values.
fn bins(shares: &[Share; BINS], at: impl Fn(f64) -> f64) -> impl Iterator<Item = (f64, f64, Share)> {
    let edge = move |bin: usize| at(bin as f64 / BINS as f64);
    let all: Vec<_> =
        shares.iter().enumerate().map(|(bin, share)| (edge(bin), edge(bin + 1), *share)).collect();
    all.into_iter()
}

fn finite_key(page: &mut Page, found: &Findings) {
    page.heading("Number of pairs and length of the strings: finite size");
    let pairs = |row: &Row| row.inputs.get(7).copied().unwrap_or_default();
    let (low, high) = found.ranges.get(7).copied().unwrap_or((1e4, 1e6));
    let longest = found.succeeded.iter().map(|row| row.key_length).max().unwrap_or(1000) as f64;
    let chart = Chart::new(
        "Length of each string over the number of pairs",
        Axis::log("N, pairs", low, high),
        Axis::log("length, bits", 1.0, 2.0 * longest),
    );
    let most = found.succeeded.iter().map(|row| f64::from(row.net_efficiency)).fold(1e-3, f64::max);
    let slope: Vec<(f64, f64)> = vec![(low, 0.5 * most * low), (high, 0.5 * most * high)];
    let chart = by_strategy(chart, &found.succeeded, |row| (pairs(row), row.key_length as f32))
        .with(Layer::new("in proportion to N, by the greatest net efficiency", BLACK, Shape::Dashes(slope)));
    page.figure(
        "length",
        &chart,
        "Without finite size, lengths would follow lines of slope 1, as the dashed one. Few pairs lose more than in \
         proportion: the sample's bound, smoothing, hashing and tags take their part whatever N is.",
    );
    page.figure(
        "pairs",
        &marginal(found, 7, (720.0, 300.0)),
        "Share of the points that gave strings, by number of pairs.",
    );
}

fn strategies(page: &mut Page, found: &Findings) {
    page.heading("Baseline and blind");
    let rows = found.strategies.iter().map(|(name, of)| {
        vec![
            (*name).to_owned(),
            of.share.runs.to_string(),
            of.share.succeeded.to_string(),
            percent(of.share),
            number(of.net_efficiency.value(), 4),
            number(of.key_length.value(), 0),
            number(of.f.value(), 3),
            number(of.rounds.value(), 2),
            of.frame_errors.to_string(),
        ]
    });
    page.table(
        &[
            "strategy",
            "samples",
            "succeeded",
            "% (95 % interval)",
            "net efficiency",
            "length, bits",
            "f",
            "attempts",
            "frame errors",
        ],
        rows.collect(),
    );
    page.text("Net efficiency and length are means over the runs that succeeded, f and decoding attempts of a block over those that came to it.");
    let most = found.succeeded.iter().map(|row| row.net_efficiency).fold(1e-3, f32::max);
    let mut chart = Chart::new(
        "Net efficiency of the runs that succeeded",
        Axis::linear("net efficiency, bits a pair", 0.0, f64::from(most)),
        Axis::linear("part of the runs with at most so much", 0.0, 1.0),
    );
    for strategy in ["baseline", "blind"] {
        let mut values: Vec<f64> =
            points(&found.succeeded, |row| strategy_of(row) == strategy, |row| (row.net_efficiency, 0.0))
                .into_iter()
                .map(|(x, _)| x)
                .collect();
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let line: Vec<(f64, f64)> =
            values.into_iter().enumerate().map(|(i, x)| (x, (i + 1) as f64 / n)).collect();
        if !line.is_empty() {
            chart = chart.with(Layer::new(strategy, colour(strategy), Shape::Line(line)));
        }
    }
    page.figure(
        "strategies",
        &chart,
        "Distribution of the net efficiency, for each strategy. Further right is better.",
    );
}

fn failures(page: &mut Page, found: &Findings) {
    page.heading("How samples end");
    let total: u64 = found.endings.values().sum();
    let mut endings: Vec<_> = found.endings.iter().collect();
    endings.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let rows = endings.into_iter().map(|((outcome, code, feasibility), count)| {
        let empty = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let share = 100.0 * *count as f64 / total.max(1) as f64;
        vec![(*outcome).to_owned(), empty(code), empty(feasibility), count.to_string(), format!("{share:.2}")]
    });
    page.table(&["outcome", "reason", "by the parameters alone", "samples", "%"], rows.collect());
    page.text(
        "The reason is what ended the run. Beside it stands what its parameters promise on average: feasible, or the first \
         inequality that fails. qber_threshold: the sample's bound of the error rate is above what the min-entropy allows; \
         entropy_depleted: what is left after leak and hashing is less than a bit of each string; decoding_failed: Bob's \
         string is a random one, and he knows it.",
    );
}

fn marginal(found: &Findings, axis: usize, size: (f64, f64)) -> Chart {
    let (low, high) = found.ranges.get(axis).copied().unwrap_or((0.0, 1.0));
    let shares = found.marginals.get(axis).copied().unwrap_or_default();
    let name = TABLE.get(axis).map_or("", |dimension| dimension.quantity.name());
    let unit = TABLE.get(axis).map_or("", |dimension| dimension.unit);
    let label = if unit.is_empty() { name.to_owned() } else { format!("{name}, {unit}") };
    let log = is_log(axis);
    let at = |part: f64| if log { low * (high / low).powf(part) } else { low + part * (high - low) };
    let bars: Vec<(f64, f64, f64)> =
        bins(&shares, at).filter_map(|(from, to, share)| Some((from, to, share.value()?))).collect();
    let middle = |from: f64, to: f64| if log { (from * to).sqrt() } else { f64::midpoint(from, to) };
    let whiskers = bins(&shares, at)
        .filter(|(.., share)| share.runs > 0)
        .map(|(from, to, share)| (middle(from, to), share.interval().0, share.interval().1))
        .collect();
    let top = bars.iter().map(|bar| bar.2).fold(0.002, f64::max);
    let x = if log { Axis::log(&label, low, high) } else { Axis::linear(&label, low, high) };
    let mut chart = Chart::new(name, x, Axis::linear("share", 0.0, (1.4 * top).min(1.0)))
        .with(Layer::new("", COLOURS[0], Shape::Bars(bars)))
        .with(Layer::new("", BLACK, Shape::Whiskers(whiskers)));
    chart.size = size;
    chart
}

fn marginals(page: &mut Page, found: &Findings) {
    page.heading("One parameter at a time");
    page.text("Share of the points that gave strings, by bins of one parameter, all others as they were drawn, with 95 % intervals.");
    for (axis, dimension) in TABLE.iter().enumerate() {
        page.figure(dimension.quantity.name(), &marginal(found, axis, (720.0, 240.0)), dimension.about);
    }
}

fn correlations(page: &mut Page, found: &Findings) {
    page.heading("Correlations");
    let (correlations, rows) = found.correlations();
    let cells = input_names().into_iter().zip(correlations);
    let cells = cells.map(|(name, value)| vec![name.to_owned(), number(value, 3)]);
    page.table(&["parameter", "rank correlation with the margin"], cells.collect());
    page.text(format!(
        "Spearman's, over {rows} runs with a margin. It is of monotone dependence alone, and of all runs, those far from the \
         cliff included. Strategy counts as 0 for baseline and 1 for blind."
    ));
}

fn provenance(page: &mut Page, state: &State, found: &Findings) {
    page.heading("Provenance");
    let facts = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("configuration", state.config_hash.clone()),
        ("samples a second in the last run", format!("{:.1}", state.rate_per_s)),
    ];
    let mut rows: Vec<Vec<String>> =
        facts.into_iter().map(|(key, value)| vec![key.to_owned(), value]).collect();
    rows.extend(found.times.iter().map(|(name, mean)| {
        let milliseconds = mean.value().map(|seconds| 1e3 * seconds);
        vec![format!("mean {name}"), format!("{} ms, {:.1} s in all", number(milliseconds, 3), mean.sum())]
    }));
    rows.extend(state.config.map().iter().map(|(key, value)| vec![key.clone(), value.to_string()]));
    page.table(&["key", "value"], rows);
    page.text(
        "The same configuration and version give the same samples on any machine, with any number of threads, but for wall \
         times. exploration_data.h5 has every sample.",
    );
}
