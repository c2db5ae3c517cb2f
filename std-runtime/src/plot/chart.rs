//! A chart of any measurement: points, lines and bars over two axes.
//!
//! In: values with their names. Out: the text of an SVG, the same bytes for the same values.

use std::fmt::{self, Write};

const LEFT: f64 = 64.0;
const TOP: f64 = 34.0;
const BELOW: f64 = 46.0;
const RIGHT: f64 = 24.0;
const LEGEND_LINE: f64 = 18.0;
/// Between the label below and the legend.
const GAP: f64 = 10.0;

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By powers of ten; values have to be above 0.
    Log,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// How.
    pub scale: Scale,
    /// Its ends. What lies outside is not drawn.
    pub range: (f64, f64),
}

impl Axis {
    /// A linear axis.
    pub fn linear(label: &str, low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { label: label.into(), scale: Scale::Linear, range: (low, high) }
    }

    /// A logarithmic axis.
    pub fn log(label: &str, low: f64, high: f64) -> Self {
        let low = low.max(f64::MIN_POSITIVE);
        let high = if high > low { high } else { 10.0 * low };
        Self { label: label.into(), scale: Scale::Log, range: (low, high) }
    }

    /// Where `value` is, from 0 to 1; `None` outside.
    fn part(&self, value: f64) -> Option<f64> {
        let (low, high) = self.range;
        let part = match self.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Log if value > 0.0 => (value / low).ln() / (high / low).ln(),
            Scale::Log => return None,
        };
        (-1e-9..=1.0 + 1e-9).contains(&part).then_some(part)
    }

    fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let (low, high) = self.range;
        match self.scale {
            Scale::Linear => {
                let (step, decimals) = super::step(high - low, most as f64);
                let first = (low / step).ceil() as i64;
                let last = (high / step + 1e-9).floor() as i64;
                let label = |tick: i64| format!("{:.decimals$}", tick as f64 * step);
                (first..=last).map(|tick| (tick as f64 * step, label(tick))).collect()
            }
            Scale::Log => {
                let (first, last) = (low.log10().ceil() as i32, high.log10().floor() as i32);
                let every = ((last - first).max(0) as usize / most + 1) as i32;
                let ticks = (first..=last).filter(|tick| (tick - first) % every == 0);
                if last - first < 3 {
                    let between = |tick: i32| {
                        [1, 2, 5].map(|digit| (f64::from(digit) * 10f64.powi(tick), power(digit, tick)))
                    };
                    let all = (first - 1..=last).flat_map(between);
                    return all.filter(|(value, _)| self.part(*value).is_some()).collect();
                }
                ticks.map(|tick| (10f64.powi(tick), power(1, tick))).collect()
            }
        }
    }
}

/// `digit` times 10 to the power `tick`, as people write it.
fn power(digit: i32, tick: i32) -> String {
    match tick {
        -2..=-1 => format!("{:.*}", tick.unsigned_abs() as usize, f64::from(digit) * 10f64.powi(tick)),
        0..=3 => format!("{}", f64::from(digit) * 10f64.powi(tick)),
        _ => format!("{digit}e{tick}"),
    }
}

/// What is drawn.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Dots.
    Dots(Vec<(f64, f64)>),
    /// A line through points.
    Line(Vec<(f64, f64)>),
    /// A dashed line through points.
    Dashes(Vec<(f64, f64)>),
    /// Bars from 0: from, to, height.
    Bars(Vec<(f64, f64, f64)>),
    /// Ranges of values at a place: where, from, to.
    Whiskers(Vec<(f64, f64, f64)>),
}

impl Shape {
    const fn dashes(&self) -> &'static str {
        if matches!(self, Self::Dashes(_)) { " stroke-dasharray=\"5 4\"" } else { "" }
    }
}

/// A shape with its name; an empty one is not in the legend.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Its colour in CSS.
    pub colour: &'static str,
    /// What is drawn.
    pub shape: Shape,
}

impl Layer {
    /// A layer.
    pub fn new(name: &str, colour: &'static str, shape: Shape) -> Self {
        Self { name: name.into(), colour, shape }
    }
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Its title.
    pub title: String,
    /// Along.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// In the order in which they are drawn.
    pub layers: Vec<Layer>,
    /// Pixels of the whole, legend not included.
    pub size: (f64, f64),
}

/// What a text may not have in XML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Chart {
    /// A chart without layers.
    pub fn new(title: &str, x: Axis, y: Axis) -> Self {
        Self { title: title.into(), x, y, layers: Vec::new(), size: (720.0, 380.0) }
    }

    /// With one layer more.
    #[must_use]
    pub fn with(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    fn at(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let (width, height) = self.size;
        let across = width - RIGHT - LEFT;
        let up = height - BELOW - TOP;
        Some((LEFT + across * self.x.part(x)?, height - BELOW - up * self.y.part(y)?))
    }

    /// As SVG.
    ///
    /// # Errors
    /// Those of formatting, which a string does not have.
    pub fn svg(&self) -> Result<String, fmt::Error> {
        let named = self.layers.iter().filter(|layer| !layer.name.is_empty()).count();
        let columns = if self.size.0 < 500.0 { 1 } else { 2 };
        let (width, bottom) = (self.size.0, self.size.1 - BELOW);
        let legend = if named == 0 { 0.0 } else { GAP + LEGEND_LINE * named.div_ceil(columns) as f64 };
        let height = self.size.1 + legend;
        let mut svg = String::new();
        writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\" role=\"img\">\n\
             <title>{0}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{0}</text>",
            escaped(&self.title)
        )?;
        self.axes(&mut svg, bottom)?;
        self.layers.iter().try_for_each(|layer| self.layer(&mut svg, layer))?;
        let across = (width - RIGHT - LEFT) / columns as f64;
        for (i, layer) in self.layers.iter().filter(|layer| !layer.name.is_empty()).enumerate() {
            let x = LEFT + across * (i % columns) as f64;
            let y = self.size.1 + GAP + LEGEND_LINE * (i / columns) as f64;
            match layer.shape {
                Shape::Line(_) | Shape::Dashes(_) => {
                    writeln!(
                        svg,
                        "<path d=\"M{x} {y}h20\" stroke=\"{}\" stroke-width=\"2\"{}/>",
                        layer.colour,
                        layer.shape.dashes()
                    )?;
                }
                _ => writeln!(
                    svg,
                    "<circle cx=\"{}\" cy=\"{y}\" r=\"4\" fill=\"{}\"/>",
                    x + 10.0,
                    layer.colour
                )?,
            }
            writeln!(svg, "<text x=\"{}\" y=\"{}\">{}</text>", x + 26.0, y + 4.0, escaped(&layer.name))?;
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    fn axes(&self, svg: &mut String, bottom: f64) -> fmt::Result {
        let right = self.size.0 - RIGHT;
        let most = ((right - LEFT) / 80.0) as usize;
        for (value, label) in self.x.ticks(most) {
            let Some((x, _)) = self.at((value, self.y.range.0)) else { continue };
            writeln!(
                svg,
                "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                bottom + 16.0
            )?;
        }
        for (value, label) in self.y.ticks(((bottom - TOP) / 36.0) as usize) {
            let Some((_, y)) = self.at((self.x.range.0, value)) else { continue };
            writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 6.0,
                y + 4.0
            )?;
        }
        let (middle_x, middle_y) = (f64::midpoint(LEFT, right), f64::midpoint(TOP, bottom));
        writeln!(
            svg,
            "<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"#222\"/>\n\
             <text x=\"{middle_x}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(14 {middle_y}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            bottom + 34.0,
            escaped(&self.x.label),
            escaped(&self.y.label)
        )
    }

    fn layer(&self, svg: &mut String, Layer { colour, shape, .. }: &Layer) -> fmt::Result {
        match shape {
            Shape::Dots(points) => {
                // Strokes of no length with round caps: one path for all.
                write!(
                    svg,
                    "<path fill=\"none\" stroke=\"{colour}\" stroke-opacity=\".55\" stroke-width=\"3.6\" "
                )?;
                write!(svg, "stroke-linecap=\"round\" d=\"")?;
                for (x, y) in points.iter().filter_map(|&point| self.at(point)) {
                    write!(svg, "M{x:.1} {y:.1}h0")?;
                }
                writeln!(svg, "\"/>")
            }
            Shape::Line(points) | Shape::Dashes(points) => {
                let dashes = shape.dashes();
                write!(svg, "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"{dashes} d=\"")?;
                for (i, (x, y)) in points.iter().filter_map(|&point| self.at(point)).enumerate() {
                    write!(svg, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' })?;
                }
                writeln!(svg, "\"/>")
            }
            Shape::Bars(bars) => bars.iter().try_for_each(|&(from, to, height)| {
                let zero = self.y.range.0.max(0.0);
                let (Some((left, base)), Some((right, top))) = (self.at((from, zero)), self.at((to, height)))
                else {
                    return Ok(());
                };
                writeln!(
                    svg,
                    "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\" \
                     fill-opacity=\".75\"/>",
                    left + 0.5,
                    top.min(base),
                    (right - left - 1.0).max(1.0),
                    (base - top).abs()
                )
            }),
            Shape::Whiskers(whiskers) => whiskers.iter().try_for_each(|&(at, from, to)| {
                let (Some((x, low)), Some((_, high))) = (self.at((at, from)), self.at((at, to))) else {
                    return Ok(());
                };
                writeln!(
                    svg,
                    "<path stroke=\"{colour}\" stroke-width=\"1.2\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>"
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_where_the_axes_say() {
        let chart =
            Chart::new("a < b", Axis::linear("x", 0.0, 10.0), Axis::log("y", 1.0, 1e4)).with(Layer::new(
                "all",
                "#000",
                Shape::Dots(vec![(0.0, 1.0), (10.0, 1e4), (5.0, 100.0), (11.0, 2.0), (5.0, 0.0)]),
            ));
        let svg = chart.svg().unwrap();
        // Corners and middle; what is outside is left out.
        for point in ["M64.0 334.0h0", "M696.0 34.0h0", "M380.0 184.0h0"] {
            assert!(svg.contains(point), "{point}: {svg}");
        }
        assert_eq!(svg.matches("h0").count(), 3);
        assert!(
            svg.contains("a &lt; b")
                && svg.contains(">1e4<")
                && svg.contains(">1000<")
                && svg.contains(">10<")
        );
        assert_eq!(svg, chart.svg().unwrap());
    }

    #[test]
    fn ticks_are_round_and_few() {
        for (low, high) in [(0.0, 1.0), (-0.61, 0.13), (3e-7, 4e-7), (0.0, 1e6), (5.0, 5.0)] {
            let axis = Axis::linear("x", low, high);
            let ticks = axis.ticks(6);
            assert!((1..=8).contains(&ticks.len()), "{low} {high}: {ticks:?}");
            assert!(ticks.iter().all(|(value, _)| axis.part(*value).is_some()));
        }
        assert!(Axis::log("x", 1e-8, 1e3).ticks(5).len() <= 6);
    }
}
