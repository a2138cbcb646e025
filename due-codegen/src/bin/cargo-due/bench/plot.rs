//! Lines over axes, as SVG that stands in a page.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;

/// One line and its name. A `None` is a gap.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// An axis from 0 to its end.
pub(super) struct Axis {
    /// Where something is written, and what.
    pub(super) marks: Vec<(f64, String)>,
    /// More than 0.
    pub(super) end: f64,
}

impl Axis {
    /// Marks at round numbers from 0 to beyond `most`.
    pub(super) fn beyond(most: f64, text: impl Fn(f64) -> String) -> Self {
        let step = round_step(most / 4.0);
        let steps = (most / step).ceil().max(1.0) as u32;
        let marks: Vec<_> = (0..=steps).map(|i| f64::from(i) * step).map(|at| (at, text(at))).collect();
        Self { marks, end: f64::from(steps) * step }
    }

    /// The same, but it ends at `most`.
    pub(super) fn up_to(most: f64, text: impl Fn(f64) -> String) -> Self {
        let Self { mut marks, end } = Self::beyond(most, text);
        marks.retain(|mark| mark.0 <= most);
        Self { marks, end: if most > 0.0 { most } else { end } }
    }

    fn place(&self, at: f64, from: f64, to: f64) -> f64 {
        from + at / self.end * (to - from)
    }
}

/// 1, 2 or 5 of a power of ten, and no less than `least`.
fn round_step(least: f64) -> f64 {
    if !(least > 0.0 && least.is_finite()) {
        return 1.0;
    }
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// The plot, with its legend below. Names and marks are ours: nothing needs to be escaped.
pub(super) fn plot(x: &Axis, y: &Axis, series: &[Series]) -> String {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    // Writing to a String cannot fail.
    for (at, text) in &y.marks {
        let at = y.place(*at, bottom, TOP);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            LEFT - 8.0,
            at + 4.0,
        );
    }
    for (at, text) in &x.marks {
        let at = x.place(*at, LEFT, right);
        let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>", HEIGHT - 8.0);
    }
    for (index, line) in series.iter().enumerate() {
        let mut path = String::new();
        let mut pen = 'M';
        for (at, value) in &line.points {
            let Some(value) = value else {
                pen = 'M';
                continue;
            };
            let _ = write!(path, "{pen}{:.1} {:.1}", x.place(*at, LEFT, right), y.place(*value, bottom, TOP));
            pen = 'L';
        }
        let _ = write!(svg, "<path class=\"series s{index}\" d=\"{path}\"/>");
    }
    svg.push_str("</svg><p class=\"legend\">");
    for (index, line) in series.iter().enumerate() {
        let _ = write!(svg, "<span class=\"s{index}\">{}</span>", line.name);
    }
    svg.push_str("</p>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_reach_beyond_the_most() {
        let marks = |most: f64| {
            Axis::beyond(most, |at| at.to_string()).marks.into_iter().map(|mark| mark.1).collect::<Vec<_>>()
        };
        assert_eq!(marks(9.0), ["0", "5", "10"]);
        assert_eq!(marks(730.0), ["0", "200", "400", "600", "800"]);
        assert_eq!(marks(0.0), ["0", "1"]);
        let axis = Axis::up_to(5.1, |at| at.to_string());
        assert_eq!((axis.marks.len(), axis.end), (3, 5.1));
    }

    #[test]
    fn gaps_lift_the_pen() {
        let axis = || Axis::beyond(2.0, |_| String::new());
        let points = vec![(0.0, Some(0.0)), (1.0, None), (2.0, Some(2.0))];
        let svg = plot(&axis(), &axis(), &[Series { name: "a", points }]);
        assert!(svg.contains("d=\"M64.0 212.0M748.0 12.0\""), "{svg}");
    }
}
