//! The `.qc` text file: a quasi-cyclic base matrix.
//!
//! Comment lines begin with `#`. The first other line is `qc Z ROWS COLUMNS`; every further one is
//! `ROW COLUMN SHIFT`, counted from 0.

use std::fmt::Write;

use super::base::BaseMatrix;
use super::sparse::MatrixError;

/// Reads a base matrix.
///
/// # Errors
/// [`MatrixError`] names the line that does not fit.
pub fn read(text: &str) -> Result<BaseMatrix, MatrixError> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let bad = |line: usize, expected: &str, found: &str| MatrixError::Format {
        at: format!("line {line}"),
        expected: expected.to_owned(),
        found: format!("{:?}", found.chars().take(60).collect::<String>()),
    };
    let header = "`qc Z ROWS COLUMNS` with Z a multiple of 64 up to 1024, at most 1024 rows and columns";
    let (number, first) = lines.next().ok_or_else(|| bad(1, header, ""))?;
    let words: Vec<&str> = first.split_whitespace().collect();
    let sizes: Option<Vec<u16>> =
        words.iter().skip(1).map(|w| w.parse().ok().filter(|&v| (1..=1024).contains(&v))).collect();
    let (z, rows, columns) = match (words.first(), sizes.as_deref()) {
        (Some(&"qc"), Some(&[z, rows, columns])) if z % 64 == 0 => (z, rows, columns),
        _ => return Err(bad(number, header, first)),
    };
    let mut base = BaseMatrix { z: z.into(), rows: rows.into(), columns: vec![Vec::new(); columns.into()] };
    for (number, line) in lines {
        let values: Option<Vec<u16>> = line.split_whitespace().map(|w| w.parse().ok()).collect();
        match values.as_deref() {
            Some(&[row, column, shift]) if row < rows && column < columns && shift < z => {
                base.columns[usize::from(column)].push((row, shift));
            }
            _ => return Err(bad(number, "`ROW COLUMN SHIFT` inside the matrix", line)),
        }
    }
    for (column, entries) in base.columns.iter_mut().enumerate() {
        entries.sort_unstable();
        if let Some(twice) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(MatrixError::Duplicate { row: twice[0].0.into(), column: column as u32 });
        }
    }
    Ok(base)
}

/// The text of a base matrix.
pub fn write(base: &BaseMatrix, comment: &str) -> String {
    let mut text = String::new();
    for line in comment.lines() {
        let _ = writeln!(text, "# {line}");
    }
    let _ = writeln!(text, "qc {} {} {}", base.z, base.rows, base.columns.len());
    for (column, entries) in base.columns.iter().enumerate() {
        for (row, shift) in entries {
            let _ = writeln!(text, "{row} {column} {shift}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() -> Result<(), MatrixError> {
        let text = "# a comment\nqc 64 2 3\n0 0 5\n1 0 63\n0 1 0\n1 2 1\n";
        let base = read(text)?;
        assert_eq!(base.columns, vec![vec![(0, 5), (1, 63)], vec![(0, 0)], vec![(1, 1)]]);
        assert_eq!(read(&write(&base, "x\ny"))?, base);
        for bad in [
            "",
            "qc 63 2 3",
            "qc 64 2",
            "qc 64 2 3\n2 0 0",
            "qc 64 2 3\n0 0 64",
            "qc 64 2 3\n0 0",
            "qc 64 2 3\n0 0 1\n0 0 2",
            "qc 64 2 99999",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        Ok(())
    }
}
