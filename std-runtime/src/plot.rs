//! Plots as SVG.
//!
//! In: rows of a measurement. Out: the text of an SVG file, the same bytes for the same rows.

pub mod chart;

use std::fmt::{self, Write};

use caligo_core::limits;

use crate::config::Strategy;
use crate::efficiency::Row;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 420.0;
/// Where the legend begins, its lines, and its second column.
const LEGEND: f64 = 484.0;
const LEGEND_LINE: f64 = 20.0;
const LEGEND_COLUMN: f64 = 330.0;

/// Okabe and Ito's colours, which the colour-blind tell apart.
pub(crate) const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
/// Outlines around the origin.
const MARKERS: [&str; 4] =
    ["M-4-4H4V4H-4Z", "M0-5L5 4H-5Z", "M0-5L5 0L0 5L-5 0Z", "M-4 0A4 4 0 0 0 4 0A4 4 0 0 0-4 0Z"];

/// Pieces the bound is drawn in.
const PIECES: u32 = 128;
/// Frame error rate of the bound, as in [`Row::f_one_way_limit`].
const BOUND_FER: f64 = 1e-3;
/// Largest f that is drawn.
const MAX_F: f64 = 1e6;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Prior {
    Same,
    Unknown,
    Given(f64),
}

impl Prior {
    /// A row whose prior happens to be its own QBER belongs to the series that has it elsewhere too.
    fn of(row: &Row, rows: &[&Row]) -> Self {
        let alike = |other: &&&Row| (other.strategy, other.rounds) == (row.strategy, row.rounds);
        let elsewhere = |other: &&Row| other.prior == row.prior && other.prior != Some(other.qber);
        match row.prior {
            None => Self::Unknown,
            Some(prior) if rows.iter().filter(alike).any(elsewhere) => Self::Given(prior),
            Some(_) => Self::Same,
        }
    }
}

struct Series {
    key: (Strategy, u8, Prior),
    /// QBER and f, by ascending QBER.
    points: Vec<(f64, f64)>,
}

impl Series {
    fn label(&self) -> String {
        let (strategy, rounds, prior) = self.key;
        let prior = match prior {
            Prior::Same => "QBER known".to_owned(),
            Prior::Unknown => "QBER unknown".to_owned(),
            Prior::Given(q) => format!("planned for QBER {q}"),
        };
        let plural = if rounds == 1 { "" } else { "s" };
        format!("{strategy}, {rounds} round{plural}, {prior}")
    }
}

fn series(rows: &[&Row]) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for row in rows {
        let key = (row.strategy, row.rounds, Prior::of(row, rows));
        let point = (row.qber, row.f_mean);
        match all.iter_mut().find(|series| series.key == key) {
            Some(series) => series.points.push(point),
            None => all.push(Series { key, points: vec![point] }),
        }
    }
    all.iter_mut().for_each(|series| series.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    all
}

/// Least f of any one-way code of the rows' payload: the longest at each QBER, in between by interpolation.
fn bound(rows: &[&Row]) -> Vec<(f64, f64)> {
    let mut payloads: Vec<(f64, f64)> = rows.iter().map(|row| (row.qber, row.payload as f64)).collect();
    payloads.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    payloads.dedup_by(|next, kept| next.0 == kept.0);
    let (Some(&(low, _)), Some(&(high, _))) = (payloads.first(), payloads.last()) else { return Vec::new() };
    let f = |q: f64, payload: f64| {
        let payload = payload.round() as usize;
        limits::converse_leak(payload, q, BOUND_FER).map(|leak| (q, limits::efficiency(leak, payload, q)))
    };
    if payloads.len() == 1 {
        // With nothing to go along, as if the payload did not change around it.
        let near = [0.9 * low, low, (1.1 * low).min(0.5 * (low + 0.5))];
        return near.iter().filter_map(|&q| f(q, payloads[0].1)).collect();
    }
    (0..=PIECES)
        .filter_map(|piece| {
            let q = low + (high - low) * f64::from(piece) / f64::from(PIECES);
            let pair = payloads.windows(2).find(|pair| q <= pair[1].0).or(payloads.windows(2).last())?;
            let part = ((q - pair[0].0) / (pair[1].0 - pair[0].0)).clamp(0.0, 1.0);
            f(q, pair[0].1 + part * (pair[1].1 - pair[0].1))
        })
        .collect()
}

/// The least round step of which `span` has at most `most`, and its decimal places.
fn step(span: f64, most: f64) -> (f64, usize) {
    let steps = (-9..=9).flat_map(|exponent| [1.0, 2.0, 5.0].map(|digit| (digit, exponent)));
    let size = |(digit, exponent): (f64, i32)| {
        let power = 10f64.powi(exponent.abs());
        (if exponent < 0 { digit / power } else { digit * power }, exponent)
    };
    let (step, exponent) = steps.map(size).find(|(step, _)| span / step <= most).unwrap_or((1e9, 9));
    (step, (-exponent).max(0) as usize)
}

/// Values onto pixels, between round ticks.
struct Axis {
    first: i64,
    last: i64,
    step: f64,
    decimals: usize,
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis that shows all of `values`, and at least `span`, from pixel `from` to pixel `to`.
    fn over(values: impl Iterator<Item = f64>, span: f64, from: f64, to: f64) -> Self {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 0.0) };
        let margin = 0.5 * (span - (high - low)).max(0.0);
        let (low, high) = ((low - margin).max(0.0), high + margin);
        let (step, decimals) = step(high - low, 8.0);
        let first = (low / step).floor() as i64;
        let last = ((high / step).ceil() as i64).max(first + 1);
        Self { first, last, step, decimals, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value / self.step - self.first as f64) / (self.last - self.first) as f64;
        self.from + (self.to - self.from) * part
    }

    fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        (self.first..=self.last).map(|tick| {
            let value = tick as f64 * self.step;
            (self.at(value), format!("{value:.*}", self.decimals))
        })
    }
}

/// f against QBER: a series for each strategy, number of rounds and prior, the finite-length bound of one-way
/// codes, and f = 1. Rows without a QBER below 1/2 or a finite f are left out.
///
/// # Errors
/// Those of formatting, which a string does not have.
pub fn efficiency(rows: &[Row]) -> Result<String, fmt::Error> {
    let drawable = |row: &&Row| (0.0..0.5).contains(&row.qber) && (0.0..=MAX_F).contains(&row.f_mean);
    let rows: Vec<&Row> = rows.iter().filter(drawable).collect();
    let series = series(&rows);
    let bound: Vec<(f64, f64)> =
        bound(&rows).into_iter().filter(|(_, f)| (0.0..=MAX_F).contains(f)).collect();
    let points = || bound.iter().chain(series.iter().flat_map(|s| &s.points));
    let x = Axis::over(points().map(|p| p.0), 0.004, LEFT, RIGHT);
    let y = Axis::over(points().map(|p| p.1).chain([1.0]), 0.1, BOTTOM, TOP);

    let mut svg = String::new();
    let height = LEGEND + LEGEND_LINE * (series.len() + 2).div_ceil(2) as f64;
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <title>Reconciliation efficiency</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">Reconciliation efficiency</text>"
    )?;
    for (at, label) in x.ticks() {
        writeln!(
            svg,
            "<path d=\"M{at:.2} {TOP}V{BOTTOM}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.2}\" y=\"{:.2}\" text-anchor=\"middle\">{label}</text>",
            BOTTOM + 18.0
        )?;
    }
    for (at, label) in y.ticks() {
        writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.2}H{RIGHT}\" stroke=\"#ddd\"/>\
             <text x=\"{:.2}\" y=\"{:.2}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            at + 4.0
        )?;
    }
    let (middle_x, middle_y) = (f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM));
    writeln!(
        svg,
        "<path d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\" fill=\"none\" stroke=\"#222\"/>\n\
         <text x=\"{middle_x}\" y=\"{:.2}\" text-anchor=\"middle\">QBER</text>\n\
         <text transform=\"translate(20 {middle_y}) rotate(-90)\" text-anchor=\"middle\">\
         f = leak / (n h(QBER))</text>",
        BOTTOM + 40.0
    )?;

    let mut place = (0..).map(|i| {
        let line = f64::from(i / 2);
        (LEFT + f64::from(i % 2) * LEGEND_COLUMN, LEGEND + LEGEND_LINE * line)
    });
    let mut entry = |svg: &mut String, style: &str, marker: Option<&str>, label: &str| {
        let Some((x, y)) = place.next() else { return Ok(()) };
        write!(svg, "<path d=\"M{x} {y}h30\" {style}/>")?;
        if let Some(marker) = marker {
            write!(svg, "<path transform=\"translate({} {y})\" d=\"{marker}\" {style}/>", x + 15.0)?;
        }
        writeln!(svg, "<text x=\"{}\" y=\"{}\">{label}</text>", x + 38.0, y + 4.0)
    };
    let one = "stroke=\"#222\" stroke-width=\"1.5\"";
    writeln!(svg, "<path d=\"M{LEFT} {:.2}H{RIGHT}\" fill=\"none\" {one}/>", y.at(1.0))?;
    let dashed = "stroke=\"#222\" stroke-width=\"1.5\" stroke-dasharray=\"2 2\"";
    writeln!(svg, "<path d=\"{}\" fill=\"none\" {dashed}/>", line(&bound, &x, &y)?)?;
    for (i, series) in series.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let style = format!("stroke=\"{colour}\" stroke-width=\"1.5\"");
        let filled = format!("{style} fill=\"{colour}\"");
        writeln!(svg, "<path d=\"{}\" fill=\"none\" {style}/>", line(&series.points, &x, &y)?)?;
        for &(q, f) in &series.points {
            writeln!(
                svg,
                "<path transform=\"translate({:.2} {:.2})\" d=\"{}\" {filled}/>",
                x.at(q),
                y.at(f),
                MARKERS[i % MARKERS.len()]
            )?;
        }
        entry(&mut svg, &filled, Some(MARKERS[i % MARKERS.len()]), &series.label())?;
    }
    entry(&mut svg, dashed, None, "bound: one-way codes at FER 0.001")?;
    entry(&mut svg, one, None, "f = 1: limit for long keys")?;
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Path through points.
fn line(points: &[(f64, f64)], x: &Axis, y: &Axis) -> Result<String, fmt::Error> {
    let mut path = String::new();
    for (i, &(q, f)) in points.iter().enumerate() {
        write!(path, "{}{:.2} {:.2}", if i == 0 { 'M' } else { 'L' }, x.at(q), y.at(f))?;
    }
    Ok(path)
}
