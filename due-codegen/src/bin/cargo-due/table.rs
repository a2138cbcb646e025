//! Aligned columns; on a terminal that is too narrow for them, a paragraph per line.

use std::env;
use std::io::{self, IsTerminal, Write};

/// Cells that stand between columns.
const GAP: usize = 2;

/// Writes the rows under their titles. Columns in which no row has anything are left out.
pub(crate) fn write(out: &mut impl Write, titles: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cells(cell)).max();
    let columns: Vec<(usize, usize)> = (0..titles.len())
        .filter_map(|column| Some((column, width(column).filter(|width| *width > 0)?)))
        .map(|(column, width)| (column, width.max(cells(titles[column]))))
        .collect();
    let whole = columns.iter().map(|(_, width)| width + GAP).sum::<usize>().saturating_sub(GAP);
    if terminal().is_some_and(|terminal| whole > terminal) {
        return stacked(out, titles, rows);
    }
    let line = |row: &dyn Fn(usize) -> String| {
        let padded = columns.iter().map(|(column, width)| {
            let cell = row(*column);
            let pad = width + GAP - cells(&cell);
            cell + &" ".repeat(pad)
        });
        padded.collect::<String>().trim_end().to_owned()
    };
    writeln!(out, "{}", line(&|column| titles[column].to_owned()))?;
    for row in rows {
        writeln!(out, "{}", line(&|column| row.get(column).cloned().unwrap_or_default()))?;
    }
    Ok(())
}

/// The first cell that is not empty leads, the others follow below it, one a line.
fn stacked(out: &mut impl Write, titles: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    for row in rows {
        for (i, (title, cell)) in titles.iter().zip(row).filter(|(_, cell)| !cell.is_empty()).enumerate() {
            let indent = if i == 0 { "" } else { "  " };
            writeln!(out, "{indent}{} {cell}", title.to_lowercase())?;
        }
    }
    Ok(())
}

/// Cells of the terminal that standard output is, or what `COLUMNS` says. A pipe has room for everything.
fn terminal() -> Option<usize> {
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let asked = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    told.or_else(|| io::stdout().is_terminal().then(asked).flatten())
}

/// Nearly: paths may hold wide characters, names do not.
fn cells(text: &str) -> usize {
    text.chars().count()
}
