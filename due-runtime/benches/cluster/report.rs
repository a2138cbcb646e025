//! Tables while the run goes on, and at its end JSON and a plot of all of them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::fleet::Kind;
use crate::machine;
use crate::plot;
use crate::stats::Rounds;

/// What one round of a shape yields. The first of a shape is the one that is plotted.
#[derive(Clone, Copy)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) better: Better,
}

/// How two figures compare.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Better {
    Higher,
    Lower,
    /// They are not compared.
    Untold,
}

pub(crate) struct Report {
    machine: Value,
    shapes: Vec<Shape>,
}

pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) targets: Vec<Kind>,
    /// By target, round and metric.
    pub(crate) measured: Vec<Vec<Vec<f64>>>,
}

impl Report {
    pub(crate) fn new() -> Self {
        let machine = machine::describe();
        println!("{machine:#}");
        println!(
            "medians of the rounds (least to most); \"to go\" and \"to relay\": how many times as good, in the same round"
        );
        Self { machine, shapes: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &str, metrics: &[Metric], targets: &[Kind], measured: Vec<Vec<Vec<f64>>>) {
        let (name, metrics, targets) = (name.to_owned(), metrics.to_vec(), targets.to_vec());
        let shape = Shape { name, metrics, targets, measured };
        shape.print();
        self.shapes.push(shape);
    }

    /// Into the folder of cargo's target directory where benchmarks may write.
    pub(crate) fn write(&self) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster");
        let shapes: Vec<Value> = self.shapes.iter().map(Shape::to_json).collect();
        let json = json!({ "machine": self.machine, "shapes": shapes });
        fs::create_dir_all(&folder).expect("a folder of the target directory");
        for (name, text) in [("cluster.json", format!("{json:#}")), ("cluster.svg", plot::svg(&self.shapes))] {
            let path = folder.join(name);
            fs::write(&path, text).expect("the target directory can be written");
            println!("{}", path.display());
        }
    }
}

impl Shape {
    /// A metric of a target over its rounds.
    pub(crate) fn rounds(&self, target: usize, metric: usize) -> Rounds {
        Rounds::of(self.measured[target].iter().map(|round| round[metric]))
    }

    /// How many times as good as `other` a target was, round by round: neighbours in time had the same machine.
    fn ratio(&self, target: usize, other: Kind, metric: usize) -> Option<Rounds> {
        let other = self.targets.iter().position(|kind| *kind == other).filter(|other| *other != target)?;
        let pairs = self.measured[target].iter().zip(&self.measured[other]);
        let pairs = pairs.map(|(ours, theirs)| (ours[metric], theirs[metric]));
        match self.metrics[metric].better {
            Better::Higher => Some(Rounds::of(pairs.map(|(ours, theirs)| ours / theirs))),
            Better::Lower => Some(Rounds::of(pairs.map(|(ours, theirs)| theirs / ours))),
            Better::Untold => None,
        }
    }

    fn print(&self) {
        print!("\n| {} |", self.name);
        let mut columns = 1;
        for metric in &self.metrics {
            print!(" {} |", metric.name);
            columns += 1;
            if metric.better != Better::Untold {
                print!(" to go | to relay |");
                columns += 2;
            }
        }
        println!("\n{}|", "|---".repeat(columns));
        for (target, kind) in self.targets.iter().enumerate() {
            print!("| {} |", kind.name());
            for (index, metric) in self.metrics.iter().enumerate() {
                print!(" {} |", text(self.rounds(target, index), 0));
                if metric.better != Better::Untold {
                    for other in [Kind::Go, Kind::Relay] {
                        print!(
                            " {} |",
                            self.ratio(target, other, index).map_or_else(String::new, |ratio| text(ratio, 2))
                        );
                    }
                }
            }
            println!();
        }
    }

    fn to_json(&self) -> Value {
        let targets = self.targets.iter().enumerate().map(|(target, kind)| {
            let metrics = self.metrics.iter().enumerate().map(|(index, metric)| {
                let all: Vec<f64> = self.measured[target].iter().map(|round| round[index]).collect();
                let ratio = |other| self.ratio(target, other, index).map(rounds_json);
                let value = json!({
                    "rounds": all, "median": self.rounds(target, index).median,
                    "to go": ratio(Kind::Go), "to relay": ratio(Kind::Relay),
                });
                (metric.name.to_owned(), value)
            });
            (kind.name().to_owned(), Value::Object(metrics.collect()))
        });
        json!({ "shape": self.name, "targets": Value::Object(targets.collect()) })
    }
}

fn rounds_json(rounds: Rounds) -> Value {
    json!({ "median": rounds.median, "least": rounds.least, "most": rounds.most })
}

fn text(rounds: Rounds, digits: usize) -> String {
    let Rounds { median, least, most } = rounds;
    match least == most {
        true => format!("{median:.digits$}"),
        false => format!("{median:.digits$} ({least:.digits$} to {most:.digits$})"),
    }
}
