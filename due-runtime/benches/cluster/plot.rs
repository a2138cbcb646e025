//! The first metric of every shape as bars, each shape on a scale of its own; a thin line spans the rounds.

use std::fmt::Write;

use crate::fleet::Kind;
use crate::report::Shape;

const WIDTH: f64 = 900.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 80.0;
const LONGEST: f64 = 640.0;
const BAR: f64 = 16.0;
const GAP: f64 = 34.0;

pub(crate) fn svg(shapes: &[Shape]) -> String {
    let (mut body, mut y) = (String::new(), GAP);
    for shape in shapes {
        draw(shape, &mut body, &mut y);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn draw(shape: &Shape, out: &mut String, y: &mut f64) {
    let all: Vec<_> = (0..shape.targets.len()).map(|target| shape.rounds(target, 0)).collect();
    let most = all.iter().map(|rounds| rounds.most).fold(f64::MIN_POSITIVE, f64::max);
    let x = |value: f64| LEFT + value / most * LONGEST;
    // Writing to a string does not fail.
    let mut line = |text: std::fmt::Arguments<'_>| writeln!(out, "{text}").expect("a string grows");
    let title = format!("{}: {}", shape.name, shape.metrics[0].name);
    line(format_args!("<text x=\"8\" y=\"{y}\" font-weight=\"bold\">{title}</text>"));
    *y += 8.0;
    for (kind, rounds) in shape.targets.iter().zip(all) {
        let middle = *y + BAR / 2.0;
        let (end, width) = (x(rounds.most) + 6.0, x(rounds.median) - LEFT);
        line(format_args!("<text x=\"8\" y=\"{}\">{}</text>", middle + 4.0, kind.name()));
        line(format_args!(
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\"/>",
            BAR - 3.0,
            colour(*kind)
        ));
        line(format_args!(
            "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"black\"/>",
            x(rounds.least),
            x(rounds.most)
        ));
        line(format_args!("<text x=\"{end:.1}\" y=\"{}\">{:.0}</text>", middle + 4.0, rounds.median));
        *y += BAR;
    }
    *y += GAP;
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Echo => "#d0d0d0",
        Kind::Relay => "#9a9a9a",
        Kind::Go => "#4b9cd3",
        Kind::Rust => "#c4552d",
    }
}
