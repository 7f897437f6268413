//! Two curves as SVG: latency over percentiles, and over time. Both on a logarithmic scale, where a tail is seen.
//!
//! The percentiles lie at equal distances for each further nine, as is the custom for latencies.

use std::fmt::{self, Write as _};

use super::report::{OperationReport, Report, duration};

const WIDTH: f64 = 960.0;
const PANEL_HEIGHT: f64 = 320.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 70.0;
const GAP: f64 = 80.0;
const HEIGHT: f64 = TOP + 2.0 * PANEL_HEIGHT + GAP + 60.0;

/// One for each operation.
const COLORS: [&str; 4] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd"];
/// Marks of the axis of percentiles.
const PERCENTILE_MARKS: [(f64, &str); 7] = [
    (0.0, "0 %"),
    (50.0, "50 %"),
    (90.0, "90 %"),
    (99.0, "99 %"),
    (99.9, "99.9 %"),
    (99.99, "99.99 %"),
    (99.999, "99.999 %"),
];
/// A little beyond the last percentile, which stands for the longest.
const NINES_MAX: f64 = 5.3;

/// A field of the drawing with its scales.
struct Panel {
    top: f64,
    /// Decimal logarithms of the least and the largest latency, in microseconds.
    decades: (f64, f64),
}

/// The drawing.
pub fn draw(report: &Report) -> String {
    let mut svg = String::new();
    // To write into a text does not fail.
    let _ = write_all(report, &mut svg);
    svg
}

fn write_all(report: &Report, svg: &mut String) -> fmt::Result {
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
    )?;
    let load = &report.load;
    let pace = match load.rate_per_s {
        Some(rate) => format!("open loop, {rate} requests a second"),
        None => format!("closed loop, {} connections", load.connections),
    };
    let title = format!("{}: {} · {pace} · {:.1} s", report.server, report.data_set.shape, report.measured_s);
    text(svg, LEFT, 24.0, "start", &title)?;
    let mut place = LEFT;
    for (operation, color) in operations(report) {
        writeln!(svg, "<rect x=\"{place:.1}\" y=\"36\" width=\"12\" height=\"12\" fill=\"{color}\"/>")?;
        text(svg, place + 18.0, 46.0, "start", operation.operation)?;
        place += 130.0;
    }
    percentiles(report, svg)?;
    over_time(report, svg)?;
    svg.push_str("</svg>\n");
    Ok(())
}

fn operations(report: &Report) -> impl Iterator<Item = (&OperationReport, &'static str)> {
    report.operations.iter().zip(COLORS).filter(|(operation, _)| operation.requests > 0)
}

fn percentiles(report: &Report, svg: &mut String) -> fmt::Result {
    let latencies = operations(report).flat_map(|(operation, _)| &operation.percentiles);
    let panel = Panel::new(TOP, latencies.map(|point| point.latency_us));
    panel.frame(svg, "latency by percentile")?;
    for (percentile, label) in PERCENTILE_MARKS {
        panel.mark(svg, across(nines(percentile) / NINES_MAX), label)?;
    }
    for (operation, color) in operations(report) {
        let points = operation.percentiles.iter();
        let points =
            points.map(|point| (across(nines(point.percentile) / NINES_MAX), panel.height(point.latency_us)));
        line(svg, color, "", points)?;
    }
    Ok(())
}

fn over_time(report: &Report, svg: &mut String) -> fmt::Result {
    let intervals = || operations(report).flat_map(|(operation, _)| &operation.over_time);
    let latencies = intervals().flat_map(|interval| [interval.p50_us as f64, interval.max_us as f64]);
    let panel = Panel::new(TOP + PANEL_HEIGHT + GAP, latencies);
    panel.frame(svg, "latency over time: median (solid), 99th percentile (dashed), longest (dotted)")?;
    let end = intervals().map(|interval| interval.from_s + interval.length_s).fold(1.0, f64::max);
    let step = time_step(end);
    for number in 0..=(end / step) as u32 {
        let seconds = step * f64::from(number);
        panel.mark(svg, across(seconds / end), &format!("{seconds} s"))?;
    }
    for (operation, color) in operations(report) {
        for (dashes, latency) in [("", 0), ("6 3", 1), ("1 3", 2)] {
            let points = operation.over_time.iter().map(|interval| {
                let middle = interval.from_s + interval.length_s / 2.0;
                let micros = match latency {
                    0 => interval.p50_us,
                    1 => interval.p99_us,
                    _ => interval.max_us,
                };
                (across(middle / end), panel.height(micros as f64))
            });
            line(svg, color, dashes, points)?;
        }
    }
    Ok(())
}

/// The seconds between two marks, of which there are ten at most: 1, 2, 5, 10, 20 and so on.
fn time_step(end: f64) -> f64 {
    let mut step = 1.0;
    for factor in [2.0, 2.5, 2.0].into_iter().cycle() {
        if end / step <= 10.0 {
            break;
        }
        step *= factor;
    }
    step
}

/// How many nines a percentile has: 1 for 90, 2 for 99.
fn nines(percentile: f64) -> f64 {
    (-(1.0 - percentile / 100.0).log10()).clamp(0.0, NINES_MAX)
}

/// The place of a share of the width.
fn across(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

impl Panel {
    fn new(top: f64, latencies: impl Iterator<Item = f64>) -> Self {
        let (mut least, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
        for latency in latencies {
            let decade = latency.max(1.0).log10();
            least = least.min(decade.floor());
            largest = largest.max(decade.ceil());
        }
        // Nothing to show, or all of it on one line.
        let decades =
            if least < largest { (least, largest) } else { (largest.max(1.0) - 1.0, largest.max(1.0)) };
        Self { top, decades }
    }

    fn height(&self, micros: f64) -> f64 {
        let (least, largest) = self.decades;
        self.top + PANEL_HEIGHT * (1.0 - (micros.max(1.0).log10() - least) / (largest - least))
    }

    fn frame(&self, svg: &mut String, title: &str) -> fmt::Result {
        let (top, width) = (self.top, WIDTH - LEFT - RIGHT);
        writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{width}\" height=\"{PANEL_HEIGHT}\" fill=\"none\" stroke=\"#888\"/>"
        )?;
        text(svg, LEFT, top - 6.0, "start", title)?;
        let (least, largest) = self.decades;
        for decade in least as i32..=largest as i32 {
            let micros = 10_f64.powi(decade);
            let height = self.height(micros);
            writeln!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{height:.1}\" x2=\"{:.1}\" y2=\"{height:.1}\" stroke=\"#ddd\"/>",
                WIDTH - RIGHT
            )?;
            text(svg, LEFT - 6.0, height + 4.0, "end", &duration(micros))?;
        }
        Ok(())
    }

    /// A mark below the panel.
    fn mark(&self, svg: &mut String, x: f64, label: &str) -> fmt::Result {
        let (top, bottom) = (self.top, self.top + PANEL_HEIGHT);
        writeln!(svg, "<line x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#eee\"/>")?;
        text(svg, x, bottom + 16.0, "middle", label)
    }
}

fn line(
    svg: &mut String,
    color: &str,
    dashes: &str,
    points: impl Iterator<Item = (f64, f64)>,
) -> fmt::Result {
    write!(
        svg,
        "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\" stroke-dasharray=\"{dashes}\" points=\""
    )?;
    for (x, y) in points {
        write!(svg, "{x:.1},{y:.1} ")?;
    }
    writeln!(svg, "\"/>")
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) -> fmt::Result {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nines_are_counted() {
        assert_eq!(nines(0.0), 0.0);
        assert!((nines(90.0) - 1.0).abs() < 1e-9 && (nines(99.9) - 3.0).abs() < 1e-9);
        assert_eq!(nines(100.0), NINES_MAX);
    }

    #[test]
    fn marks_of_the_time_are_round() {
        assert_eq!(
            [1.0, 10.0, 12.0, 30.0, 60.0, 120.0, 3_600.0].map(time_step),
            [1.0, 1.0, 2.0, 5.0, 10.0, 20.0, 500.0]
        );
    }

    #[test]
    fn latencies_lie_between_whole_decades() {
        let panel = Panel::new(0.0, [120.0, 4_500.0].into_iter());
        assert_eq!(panel.decades, (2.0, 4.0));
        assert!((panel.height(100.0) - PANEL_HEIGHT).abs() < 1e-9 && panel.height(10_000.0).abs() < 1e-9);
        assert_eq!(Panel::new(0.0, [1_000.0].into_iter()).decades, (2.0, 3.0));
        assert_eq!(Panel::new(0.0, [].into_iter()).decades, (0.0, 1.0));
    }

    #[test]
    fn what_a_text_says_is_no_markup() {
        let mut svg = String::new();
        text(&mut svg, 0.0, 0.0, "start", "a<b & c>").unwrap();
        assert!(svg.contains(">a&lt;b &amp; c&gt;</text>"), "{svg}");
    }
}
