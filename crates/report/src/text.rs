//! Tables as text: aligned for a terminal, Markdown for documents, CSV for other programs.

use std::path::Path;

use elbo_core::file::write_atomically;
use elbo_core::{Result, Table};

/// Space between columns.
const GAP: &str = "  ";
/// A column is not wrapped to less than this.
const NARROWEST: usize = 16;

/// Aligned plain text: numbers to the right, text to the left, a rule below the header.
///
/// With a `width`, the widest column of text is wrapped so that lines fit; a table of many numbers may still be wider.
pub fn plain(table: &Table, width: Option<usize>) -> String {
    let cells: Vec<Vec<String>> = table.rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let header: Vec<String> = table.columns.iter().map(|name| visible(name)).collect();
    let columns = header.len();
    let cell = |row: usize, k: usize| cells[row].get(k).map_or("", String::as_str);
    let is_number: Vec<bool> = (0..columns).map(|k| numeric(cells.iter().filter_map(|row| row.get(k)))).collect();
    let mut widths: Vec<usize> = (0..columns)
        .map(|k| (0..cells.len()).map(|r| columns_of(cell(r, k))).chain([columns_of(&header[k])]).max().unwrap_or(0))
        .collect();
    if let Some(limit) = width {
        let total = widths.iter().sum::<usize>() + GAP.len() * columns.saturating_sub(1);
        let widest = (0..columns).filter(|&k| !is_number[k]).max_by_key(|&k| widths[k]);
        if let (Some(k), true) = (widest, total > limit) {
            widths[k] = widths[k].saturating_sub(total - limit).max(NARROWEST.min(widths[k]));
        }
    }
    let mut out = String::new();
    let mut line = |values: &[&str]| {
        let wrapped: Vec<Vec<String>> = values.iter().zip(&widths).map(|(v, &w)| wrap(v, w)).collect();
        for i in 0..wrapped.iter().map(Vec::len).max().unwrap_or(0) {
            let parts: Vec<String> = (0..columns)
                .map(|k| {
                    let text = wrapped[k].get(i).map_or("", String::as_str);
                    let space = " ".repeat(widths[k].saturating_sub(columns_of(text)));
                    if is_number[k] { space + text } else { text.to_string() + &space }
                })
                .collect();
            out.push_str(parts.join(GAP).trim_end());
            out.push('\n');
        }
    };
    line(&header.iter().map(String::as_str).collect::<Vec<_>>());
    let rules: Vec<String> = widths.iter().map(|&w| "─".repeat(w)).collect();
    line(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    for r in 0..cells.len() {
        line(&(0..columns).map(|k| cell(r, k)).collect::<Vec<_>>());
    }
    out
}

/// A Markdown table, numbers to the right.
pub fn markdown(table: &Table) -> String {
    let clean = |cell: &str| visible(cell).replace('\\', "\\\\").replace('|', "\\|");
    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(|c| clean(c)).collect::<Vec<_>>().join(" | "));
    let rules: String = (0..table.columns.len())
        .map(|k| if numeric(table.rows.iter().filter_map(|row| row.get(k))) { " ---: |" } else { " --- |" })
        .collect();
    format!("{}|{rules}\n{}", line(&table.columns), table.rows.iter().map(|row| line(row)).collect::<String>())
}

/// CSV as in RFC 4180 with line feeds: fields with commas, quotes or line ends are quoted.
pub fn csv(table: &Table) -> String {
    let field = |cell: &String| {
        if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() }
    };
    let line = |cells: &Vec<String>| cells.iter().map(field).collect::<Vec<_>>().join(",") + "\n";
    std::iter::once(&table.columns).chain(&table.rows).map(line).collect()
}

/// Writes a text file as a whole, as [`write_atomically`] does.
///
/// # Errors
/// [`Error::File`](elbo_core::Error::File) when the folder or the file cannot be written; nothing half-written stays behind.
pub fn write(path: &Path, text: &str) -> Result<()> {
    write_atomically(path, text.as_bytes())
}

/// Whether every cell with content is a number, possibly with a sign, a unit of percent or an error.
pub(crate) fn numeric<'a>(cells: impl Iterator<Item = &'a String>) -> bool {
    let mut any = false;
    for cell in cells {
        let text = cell.trim();
        if text.is_empty() || matches!(text, "-" | "–" | "—" | "NaN") {
            continue;
        }
        let is_part = |c: char| c.is_ascii_digit() || " .,+-−±%×^()[]⁻⁰¹²³⁴⁵⁶⁷⁸⁹∞\u{a0}\u{202f}".contains(c);
        let text = text.trim_end_matches([' ', 's', '%', '\u{a0}']);
        let has_digit = text.contains(|c: char| c.is_ascii_digit() || c == '∞');
        let is_plain = text.parse::<f64>().is_ok();
        if !is_plain && (!has_digit || !text.chars().all(is_part)) {
            return false;
        }
        any = true;
    }
    any
}

/// Control characters, which could move a terminal's cursor, become visible; line ends become spaces.
fn visible(cell: &str) -> String {
    let show = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    cell.chars().map(show).collect()
}

/// Terminal columns a text takes.
fn columns_of(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f300}'..='\u{1faff}')
    };
    let combining = |c: char| matches!(c, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}');
    text.chars().map(|c| if combining(c) { 0 } else { 1 + usize::from(wide(c)) }).sum()
}

/// Lines of at most `width` columns, broken at spaces where possible.
fn wrap(text: &str, width: usize) -> Vec<String> {
    if columns_of(text) <= width {
        return vec![text.into()];
    }
    let mut lines = vec![];
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && columns_of(&line) + 1 + columns_of(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if columns_of(&line) + columns_of(c.encode_utf8(&mut [0; 4])) > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut t = Table::new("systems", "What there is.", &["id", "rows", "title"]);
        t.push(vec!["gpr".into(), "1,030".into(), "Exact Gaussian process, for | tables".into()]);
        t.push(vec!["svgp".into(), "9".into(), "A \"sparse\" one".into()]);
        t
    }

    #[test]
    fn numbers_stand_to_the_right_and_text_to_the_left() {
        let expected = "\
id     rows  title
────  ─────  ────────────────────────────────────
gpr   1,030  Exact Gaussian process, for | tables
svgp      9  A \"sparse\" one
";
        assert_eq!(plain(&table(), None), expected);
    }

    #[test]
    fn the_widest_column_is_wrapped_to_the_terminal() {
        let text = plain(&table(), Some(36));
        assert!(text.lines().all(|line| columns_of(line) <= 36), "{text}");
        assert!(text.contains("\n             for | tables\n"), "{text}");
    }

    #[test]
    fn markdown_escapes_its_own_marks() {
        let expected = "\
| id | rows | title |
| --- | ---: | --- |
| gpr | 1,030 | Exact Gaussian process, for \\| tables |
| svgp | 9 | A \"sparse\" one |
";
        assert_eq!(markdown(&table()), expected);
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(
            csv(&table()),
            "id,rows,title\ngpr,\"1,030\",\"Exact Gaussian process, for | tables\"\nsvgp,9,\"A \"\"sparse\"\" one\"\n"
        );
    }

    #[test]
    fn cells_cannot_steer_the_terminal() {
        let mut t = Table::new("t", "", &["a"]);
        t.push(vec!["\u{1b}[2Jx\ny".into()]);
        assert!(plain(&t, None).ends_with("\u{fffd}[2Jx y\n"));
    }
}
