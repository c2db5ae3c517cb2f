//! Rows as comma-separated values (RFC 4180).

use std::io::{self, Write};

use crate::campaign::rows::{COLUMNS, Cell, Row, input_names};
use crate::campaign::space::{self, AXES};

/// The names of all columns: the sample, its inputs, then the others.
pub fn header() -> Vec<&'static str> {
    let (index, others) = COLUMNS.split_first().map_or((None, COLUMNS), |(first, rest)| (Some(first), rest));
    let names = index.into_iter().map(|column| column.name).chain(input_names());
    names.chain(others.iter().map(|column| column.name)).collect()
}

/// Writes the first line.
///
/// # Errors
/// Those of `out`.
pub fn write_header(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(header().join(",").as_bytes())?;
    out.write_all(b"\n")
}

/// Writes `row`. What is not a number is left empty; figures have the digits that give them back exactly.
///
/// # Errors
/// Those of `out`.
pub fn write_row(row: &Row, out: &mut dyn Write) -> io::Result<()> {
    let mut columns = COLUMNS.iter();
    if let Some(index) = columns.next() {
        write_cell(index.cell(row), out)?;
    }
    let (numbers, strategy) = row.inputs.split_at(AXES);
    for &number in numbers {
        out.write_all(b",")?;
        write_cell(Cell::Single(number), out)?;
    }
    for strategy in strategy {
        let name = space::strategy(*strategy).map(|strategy| strategy.to_string());
        write!(out, ",{}", name.unwrap_or_default())?;
    }
    for column in columns {
        out.write_all(b",")?;
        write_cell(column.cell(row), out)?;
    }
    out.write_all(b"\n")
}

fn write_cell(cell: Cell<'_>, out: &mut dyn Write) -> io::Result<()> {
    match cell {
        Cell::Whole(value) => write!(out, "{value}"),
        Cell::Single(value) if value.is_nan() => Ok(()),
        Cell::Single(value) => write!(out, "{value}"),
        Cell::Text(text) if text.contains(['"', ',', '\n', '\r']) => {
            write!(out, "\"{}\"", text.replace('"', "\"\""))
        }
        Cell::Text(text) => out.write_all(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line() {
        let inputs = [0.1, 0.0001, 1e5, 0.99, 0.5, 0.01, 1e-8, 2e5, 1.0];
        let row = Row { detail: "C_N nu < 1/2, \"used\"".into(), margin: -0.25, ..Row::new(7, 2, inputs) };
        let mut out = Vec::new();
        write_header(&mut out).unwrap();
        write_row(&row, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let (head, line) = text.split_once('\n').unwrap();
        assert!(
            head.starts_with("index,storage_noise_r,") && head.contains(",num_pairs,strategy,draw,outcome,")
        );
        let expected = "7,0.1,0.0001,100000,0.99,0.5,0.01,0.00000001,200000,blind,2,failed,,,,\
                        \"C_N nu < 1/2, \"\"used\"\"\",0,-0.25,,,,,,,0,0,0,0,,,,,\n";
        assert_eq!(line, expected);
        assert_eq!(head.split(',').count(), 9 + COLUMNS.len());
    }
}
