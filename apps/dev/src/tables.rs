//! Reads tables back from Markdown documents.

use crate::error::{DevError, Result};

/// A table: its header and its rows, each with as many cells as the header.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// The header's cells.
    pub columns: Vec<String>,
    /// The other cells, row by row; missing ones at the end are empty.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Where a column with this header stands.
    pub fn column(&self, header: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == header)
    }
}

/// Every table of a page, in order.
///
/// ```
/// let page = "Text.\n\n| a | b |\n|---|---:|\n| x | 1 |\n| y |\n";
/// let tables = elbo_dev::tables::tables(page);
/// assert_eq!(tables[0].columns, ["a", "b"]);
/// assert_eq!(tables[0].rows, [["x", "1"], ["y", ""]]);
/// ```
pub fn tables(page: &str) -> Vec<Table> {
    let lines: Vec<&str> = page.lines().map(str::trim).collect();
    let is_row = |line: &str| line.len() > 1 && line.starts_with('|');
    let is_rule = |line: &str| is_row(line) && line.chars().all(|c| "|-: ".contains(c));
    let mut found = vec![];
    let mut at = 0;
    while at + 1 < lines.len() {
        if !is_row(lines[at]) || !is_rule(lines[at + 1]) {
            at += 1;
            continue;
        }
        let columns = cells(lines[at]);
        let body = lines[at + 2..].iter().take_while(|line| is_row(line));
        let rows: Vec<Vec<String>> = body
            .map(|line| {
                let mut row = cells(line);
                row.resize(columns.len(), String::new());
                row
            })
            .collect();
        at += 2 + rows.len();
        found.push(Table { columns, rows });
    }
    found
}

/// The one table of a text, which has these columns and no empty cell; `what` names it in errors.
///
/// # Errors
/// [`DevError::Format`] when there is no such table, or another one beside it.
pub fn only(text: &str, what: &str, columns: &[&str]) -> Result<Table> {
    let fault = |message: String| DevError::format(what, message);
    let mut all = tables(text);
    let (Some(table), true) = (all.pop(), all.is_empty()) else {
        return Err(fault(format!("expected one table, found {}", tables(text).len())));
    };
    if table.columns != columns {
        return Err(fault(format!("its columns are {:?}; expected {columns:?}", table.columns)));
    }
    if let Some(row) = table.rows.iter().find(|row| row.iter().any(String::is_empty)) {
        return Err(fault(format!("a cell of the row of {} is empty", row[0])));
    }
    Ok(table)
}

/// The cells between the bars of a line; an escaped bar belongs to its cell.
fn cells(line: &str) -> Vec<String> {
    let inner = line.strip_prefix('|').unwrap_or(line);
    let mut all = vec![String::new()];
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            '|' if !escaped => all.push(String::new()),
            _ => {
                let cell = all.last_mut().expect("there is one from the start");
                if c == '|' {
                    cell.pop(); // The bar's backslash.
                }
                cell.push(c);
            }
        }
        escaped = c == '\\';
    }
    if all.last().is_some_and(|last| last.trim().is_empty()) {
        all.pop();
    }
    all.iter().map(|cell| cell.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_between_text_and_escaped_bars_stay() {
        let page = "| no table |\n\n| a | b |\n|:--|--:|\n| x \\| y | `z` |\n\ntext\n| c |\n|---|\nend\n";
        let all = tables(page);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].rows, [["x | y", "`z`"]]);
        assert_eq!((all[0].column("b"), all[0].column("c")), (Some(1), None));
        assert_eq!(all[1], Table { columns: vec!["c".into()], rows: vec![] });
    }

    #[test]
    fn one_table_of_known_columns_and_full_cells_is_taken() {
        let text = "| a | b |\n|---|---|\n| x | y |\n";
        assert_eq!(only(text, "it", &["a", "b"]).unwrap().rows, [["x", "y"]]);
        let fault = |text: &str, columns: &[&str]| only(text, "it", columns).unwrap_err().to_string();
        assert!(fault("text", &["a"]).contains("found 0"));
        assert!(fault(&format!("{text}\n{text}"), &["a", "b"]).contains("found 2"));
        assert!(fault(text, &["a", "c"]).contains("expected"));
        assert!(fault(&text.replace('y', ""), &["a", "b"]).contains("the row of x is empty"));
    }
}
