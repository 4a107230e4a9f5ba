//! The rows with the largest ratios: their table in the document, and whether it speaks of each.

use super::ratios::Ratio;
use crate::error::{DevError, Result};
use crate::markers;
use crate::tables::tables;
use std::collections::HashMap;
use std::fmt::Write;

/// How many rows are analysed in words.
pub const COUNT: usize = 5;
/// The name of the table's markers.
pub const MARKER: &str = "peers-worst";

/// The table of the worst rows, with what the document says of their floors. `ratios` begin with the largest.
pub fn table(page: &str, ratios: &[Ratio]) -> String {
    let floors = floors(page);
    let mut out = String::from("| row | elbo/peer | at most | elbo/floor |\n|---|---:|---:|---:|\n");
    for row in ratios.iter().take(COUNT) {
        let floor = row.work_id().and_then(|id| floors.get(&(id.to_owned(), row.size.clone())));
        let floor = floor.map_or("", String::as_str);
        writeln!(out, "| {} | {:.2} | {:.2} | {floor} |", row.name(), row.ratio, row.limit).expect("string");
    }
    out
}

/// Our time in the floor's by a work's id and size, from every table that has them.
fn floors(page: &str) -> HashMap<(String, String), String> {
    let mut found = HashMap::new();
    for table in tables(page) {
        let columns = ["work", "size", "elbo/floor"].map(|header| table.column(header));
        let [Some(work), Some(size), Some(floor)] = columns else { continue };
        found.extend(table.rows.iter().map(|row| ((row[work].clone(), row[size].clone()), row[floor].clone())));
    }
    found
}

/// Works among the worst rows of which the document does not speak: behind the table there is to be a paragraph for each, with the work's name, as
/// the picture has it, in bold.
///
/// # Errors
/// [`DevError::Format`] without the table's markers.
pub fn unspoken(page: &str, ratios: &[Ratio]) -> Result<Vec<String>> {
    let end = markers::end(MARKER);
    let Some((_, rest)) = page.split_once(&end) else {
        return Err(DevError::format("the document", format!("it has no marker `{end}`")));
    };
    let section = rest.split("\n## ").next().expect("a split has a first part");
    let mut missing: Vec<String> = ratios.iter().take(COUNT).map(|row| row.short().to_owned()).collect();
    missing.retain(|name| !section.contains(&format!("**{name}**")));
    missing.dedup();
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::super::works::GP;
    use super::*;

    fn row(work: &str, size: &str, ratio: f64) -> Ratio {
        Ratio { work: work.into(), size: size.into(), peer: "jax".into(), ratio, limit: 0.7 }
    }

    #[test]
    fn the_worst_rows_have_their_floors_and_no_more_rows_than_are_analysed() {
        let page = format!(
            "| work | size | floor ms | elbo/floor | from |\n|---|---|---|---|---|\n| {} | n = 9 | 1 | 4.2 | x |\n",
            GP[0].id
        );
        let rows: Vec<Ratio> = (0..7).map(|i| row(GP[0].title, if i == 0 { "n = 9" } else { "n = 8" }, 0.9)).collect();
        let made = table(&page, &rows);
        assert_eq!(made.lines().count(), 2 + COUNT);
        assert!(made.contains(&format!("| {}, n 9 / JAX | 0.90 | 0.70 | 4.2 |", GP[0].short)), "{made}");
        assert!(made.contains("n 8 / JAX | 0.90 | 0.70 |  |"), "{made}");
    }

    #[test]
    fn a_work_without_a_paragraph_of_its_own_section_is_missed() {
        let page = "<!-- peers-worst:begin -->\n<!-- peers-worst:end -->\n\n**a** is slow.\n\n## Next\n\n**b**\n";
        let rows = [row("a, long", "", 0.9), row("b, long", "", 0.8), row("b, long", "n = 1", 0.8)];
        assert_eq!(unspoken(page, &rows).unwrap(), ["b"]);
        assert!(unspoken("text", &rows).unwrap_err().to_string().contains("peers-worst"));
    }
}
