//! `MacKay`'s alist text format.
//!
//! Numbers in lines: columns and rows; the largest column and row degree; the degree of each column;
//! the degree of each row; per column a line with its rows; per row a line with its columns. Indices
//! count from 1; zeros that pad the lists are written and, when reading, ignored.

use std::io::{self, Write};

use super::sparse::{MAX_ENTRIES, MatrixError, SparseMatrix, check_shape, quote};

/// Lines that can be looked at before they are taken, counted from 1.
struct Lines<'a> {
    lines: std::iter::Peekable<std::iter::Enumerate<std::str::Lines<'a>>>,
    last: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { lines: text.lines().enumerate().peekable(), last: 0 }
    }

    fn take(&mut self) -> Option<&'a str> {
        let (index, line) = self.lines.next()?;
        self.last = index + 1;
        Some(line)
    }

    fn take_filled(&mut self) -> Option<&'a str> {
        loop {
            let line = self.take()?;
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
    }

    fn error(&self, expected: impl Into<String>, found: impl Into<String>) -> MatrixError {
        MatrixError::format(format!("line {}", self.last), expected, found)
    }

    fn ended(&self, expected: &str) -> MatrixError {
        MatrixError::format(format!("after line {}", self.last), expected, "the end of the file")
    }

    fn number(&self, token: &str) -> Result<u32, MatrixError> {
        token.parse().map_err(|_| self.error("a number that is not negative", quote(token)))
    }

    /// `count` numbers from as many lines as hold them.
    fn numbers(&mut self, count: usize, what: &str) -> Result<Vec<u32>, MatrixError> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let line = self.take_filled().ok_or_else(|| self.ended(what))?;
            for token in line.split_ascii_whitespace() {
                if numbers.len() == count {
                    return Err(self.error(what, "more"));
                }
                numbers.push(self.number(token)?);
            }
        }
        Ok(numbers)
    }

    /// The next list, of `degree` indices from 1 to `limit`, counted from 0 in the result. A list of
    /// none may be a line of zeros, an empty line or no line.
    fn list(&mut self, degree: u32, limit: usize, what: &str) -> Result<Vec<u32>, MatrixError> {
        if degree == 0 {
            let is_empty = |line: &str| line.split_ascii_whitespace().all(|token| token == "0");
            if self.lines.peek().is_some_and(|&(_, line)| is_empty(line)) {
                self.take();
            }
            return Ok(Vec::new());
        }
        let expected = || format!("{degree} {what}");
        let line = self.take_filled().ok_or_else(|| self.ended(&expected()))?;
        let mut list = Vec::new();
        for token in line.split_ascii_whitespace() {
            let index = self.number(token)?;
            if index as usize > limit {
                return Err(self.error(format!("{what} from 1 to {limit}"), index.to_string()));
            }
            if index > 0 {
                list.push(index - 1);
            }
        }
        if list.len() != degree as usize {
            return Err(self.error(expected(), list.len().to_string()));
        }
        Ok(list)
    }
}

fn check_degrees(lines: &Lines<'_>, degrees: &[u32], max: u32, of: &str) -> Result<u64, MatrixError> {
    match degrees.iter().position(|&degree| degree > max) {
        Some(i) => {
            let found = format!("{} for {of} {}", degrees[i], i + 1);
            Err(lines.error(format!("{of} degrees of at most {max}"), found))
        }
        None => Ok(degrees.iter().map(|&degree| u64::from(degree)).sum()),
    }
}

/// Reads an alist, with its lists padded with zeros or not.
///
/// # Errors
/// [`MatrixError::Format`] names the line that does not fit, also if the row lists do not say what the
/// column lists say.
pub fn read(text: &str) -> Result<SparseMatrix, MatrixError> {
    let mut lines = Lines::new(text);
    let shape = lines.numbers(2, "numbers of columns and rows")?;
    let (m, n) = check_shape(&format!("line {}", lines.last), shape[1].into(), shape[0].into())?;
    let max = lines.numbers(2, "largest column and row degrees")?;
    let column_degrees = lines.numbers(n, "as many degrees as columns")?;
    let entries = check_degrees(&lines, &column_degrees, max[0], "column")?;
    let row_degrees = lines.numbers(m, "as many degrees as rows")?;
    let row_entries = check_degrees(&lines, &row_degrees, max[1], "row")?;
    if row_entries != entries || entries > MAX_ENTRIES as u64 {
        let expected = format!("row degrees that add up like the column degrees, to {MAX_ENTRIES} at most");
        return Err(lines.error(expected, format!("{row_entries} for the rows, {entries} for the columns")));
    }

    let mut rows = vec![Vec::new(); m];
    for (column, &degree) in column_degrees.iter().enumerate() {
        for row in lines.list(degree, m, "row numbers")? {
            let list: &mut Vec<u32> = &mut rows[row as usize];
            if list.last() == Some(&(column as u32)) {
                return Err(lines.error("different row numbers", format!("{} twice", row + 1)));
            }
            list.push(column as u32);
        }
    }
    for (row, &degree) in row_degrees.iter().enumerate() {
        let mut list = lines.list(degree, n, "column numbers")?;
        list.sort_unstable();
        if list != rows[row] {
            return Err(disagreement(&lines, row, &rows[row], &list));
        }
    }
    match lines.take_filled() {
        Some(line) => Err(lines.error("the end of the file", quote(line))),
        None => SparseMatrix::from_rows(n, rows),
    }
}

/// Names one column that only one of two different lists of row `row` has, or has twice.
fn disagreement(lines: &Lines<'_>, row: usize, by_columns: &[u32], by_row: &[u32]) -> MatrixError {
    let row = row + 1;
    let expected = format!("the entries of row {row} in the column lists");
    let missing = by_columns.iter().find(|column| by_row.binary_search(column).is_err());
    let extra = by_row.iter().find(|column| by_columns.binary_search(column).is_err());
    let twice = by_row.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0] + 1);
    let found = match (missing, extra, twice) {
        (Some(column), ..) => format!("no column {}", column + 1),
        (_, Some(column), _) => format!("column {}", column + 1),
        (.., Some(column)) => format!("column {column} twice"),
        _ => "another list".to_owned(),
    };
    lines.error(expected, found)
}

/// Writes an alist, its lists padded with zeros.
///
/// # Errors
/// Those of `out`.
pub fn write(matrix: &SparseMatrix, out: &mut impl Write) -> io::Result<()> {
    let by_column = matrix.transpose();
    let degrees = |of: &SparseMatrix| (0..of.m()).map(|i| of.row(i).len()).collect::<Vec<_>>();
    let (column_degrees, row_degrees) = (degrees(&by_column), degrees(matrix));
    let max = |degrees: &[usize]| degrees.iter().copied().max().unwrap_or(0);
    writeln!(out, "{} {}", matrix.n, matrix.m())?;
    writeln!(out, "{} {}", max(&column_degrees), max(&row_degrees))?;
    write_line(out, column_degrees.iter().copied())?;
    write_line(out, row_degrees.iter().copied())?;
    for (lists, degrees) in [(&by_column, &column_degrees), (matrix, &row_degrees)] {
        let width = max(degrees);
        for i in 0..lists.m() {
            let list = lists.row(i).iter().map(|&index| index as usize + 1);
            write_line(out, list.chain(std::iter::repeat(0)).take(width))?;
        }
    }
    Ok(())
}

fn write_line(out: &mut impl Write, numbers: impl Iterator<Item = usize>) -> io::Result<()> {
    for (i, number) in numbers.enumerate() {
        let space = if i == 0 { "" } else { " " };
        write!(out, "{space}{number}")?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PADDED: &str = "4 3\n2 3\n2 2 1 0\n3 0 2\n1 3\n1 3\n1 0\n0 0\n1 2 3\n0 0 0\n1 2 0\n";
    const UNPADDED: &str = "4 3\r\n2 3\r\n2 2 1 0\r\n3 0 2\r\n3 1\r\n1 3\r\n1\r\n\r\n3 2 1\r\n\r\n1 2";

    fn small() -> SparseMatrix {
        SparseMatrix::from_rows(4, vec![vec![0, 1, 2], vec![], vec![0, 1]]).unwrap()
    }

    fn message(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn written_and_read_again() {
        let mut out = Vec::new();
        write(&small(), &mut out).unwrap();
        assert_eq!(str::from_utf8(&out).unwrap(), PADDED);
        assert_eq!(read(PADDED).unwrap(), small());
    }

    #[test]
    fn lists_need_no_padding() {
        assert_eq!(read(UNPADDED).unwrap(), small());
    }

    #[test]
    fn lists_of_none_need_no_line() {
        let text = "4 3\n2 3\n2 2 1 0\n3 0 2\n1 3\n1 3\n1\n1 2 3\n1 2\n";
        assert_eq!(read(text).unwrap(), small());
    }

    #[test]
    fn a_cut_file_is_refused() {
        // Cutting the newline or the padding at the end loses nothing.
        for end in 0..PADDED.len() - 3 {
            assert!(read(&PADDED[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        let cases = [
            ("4 x\n", "line 1: expected a number that is not negative, found \"x\""),
            ("4 3 2\n", "line 1: expected numbers of columns and rows, found more"),
            (
                "4294967295 3\n",
                "line 1: expected 1 to 1048576 rows and columns, found 3 rows, 4294967295 columns",
            ),
            (
                "1048576 4\n",
                "after line 1: expected largest column and row degrees, found the end of the file",
            ),
            ("2 1\n1 2\n1 2\n", "line 3: expected column degrees of at most 1, found 2 for column 2"),
            ("2 1\n1 2\n1 1\n2\n1\n2\n", "line 6: expected row numbers from 1 to 1, found 2"),
            ("2 1\n1 2\n1 1\n2\n1\n0\n", "line 6: expected 1 row numbers, found 0"),
            ("2 1\n2 2\n2 0\n2\n1 1\n", "line 5: expected different row numbers, found 1 twice"),
            (
                "3 1\n1 2\n1 1 0\n2\n1\n1\n\n1 3\n",
                "line 8: expected the entries of row 1 in the column lists, found no column 2",
            ),
            ("2 1\n1 2\n1 1\n2\n1\n1\n1 2\n7\n", "line 8: expected the end of the file, found \"7\""),
        ];
        for (text, expected) in cases {
            assert_eq!(message(text), expected);
        }
        assert!(message("2 1\n1 2\n1 1\n1\n").starts_with("line 4: expected row degrees that add up"));
    }
}
