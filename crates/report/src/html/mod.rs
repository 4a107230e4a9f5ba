//! A report as one HTML file that needs nothing else: inline style, inline SVG, no fonts or scripts from elsewhere.
//!
//! The output is also well-formed XML after its first line, which is how the tests read it.

mod heart;

pub use heart::heart;

use std::fmt::Write;
use std::path::Path;

use elbo_core::{Figure, Result, Table};

use crate::format::{count, counted, escape};
use crate::palette;
use crate::report::{Card, Report, Section, Standing};
use crate::svg::{self, Size};
use crate::text;

/// Longer tables are cut; the file of the model has the rest.
const MOST_ROWS: usize = 100;

/// The report as the text of an HTML file.
pub fn render(report: &Report) -> String {
    let mut page = String::new();
    head(&mut page, report);
    let _ = write!(page, "<body>\n<main>\n<header>\n");
    if !report.subtitle.is_empty() {
        let _ = writeln!(page, "<p class=\"over\">{}</p>", inline(&report.subtitle));
    }
    let _ = writeln!(page, "<h1>{}</h1>\n</header>", inline(&report.title));
    verdict(&mut page, report);
    if !report.cards.is_empty() {
        page.push_str("<div class=\"cards\">\n");
        report.cards.iter().for_each(|c| card(&mut page, c));
        page.push_str("</div>\n");
    }
    warnings(&mut page, &report.warnings);
    let environment = Section { heading: "Environment".into(), facts: report.facts.clone(), ..Section::default() };
    let sections: Vec<&Section> = report.sections.iter().chain([&environment]).filter(|s| !s.is_empty()).collect();
    for group in sections.chunk_by(|a, b| is_compact(a) && is_compact(b)) {
        let is_row = is_compact(group[0]);
        if is_row {
            page.push_str("<div class=\"row\">\n");
        }
        group.iter().for_each(|s| section(&mut page, s));
        if is_row {
            page.push_str("</div>\n");
        }
    }
    command(&mut page, &report.command);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Writes the report as a whole, or not at all.
///
/// # Errors
/// [`elbo_core::Error::File`] when the place cannot be written.
pub fn write(report: &Report, path: &Path) -> Result<()> {
    text::write(path, &render(report))
}

fn head(page: &mut String, report: &Report) {
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\"/>\n\
         <title>{}</title>\n<style>\n{}{}{}</style>\n</head>\n",
        escape(&report.title),
        palette::page_variables(),
        include_str!("page.css"),
        svg::style(),
    );
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Neutral => "neutral",
        Standing::Good => "good",
        Standing::Caution => "caution",
        Standing::Poor => "poor",
    }
}

fn verdict(page: &mut String, report: &Report) {
    if report.headline.is_empty() && report.verdict.is_empty() {
        return;
    }
    let _ = writeln!(page, "<section class=\"verdict {}\" aria-label=\"Verdict\">", standing(report.standing));
    if !report.headline.is_empty() {
        let _ = writeln!(page, "<p class=\"headline\">{}</p>", inline(&report.headline));
    }
    for sentence in &report.verdict {
        let _ = writeln!(page, "<p>{}</p>", inline(sentence));
    }
    page.push_str("</section>\n");
}

fn card(page: &mut String, card: &Card) {
    let _ = writeln!(
        page,
        "<div class=\"card {}\"><p class=\"label\">{}</p><p class=\"value\">{}</p><p class=\"note\">{}</p></div>",
        standing(card.standing),
        inline(&card.label),
        inline(&card.value),
        inline(&card.note)
    );
}

fn warnings(page: &mut String, warnings: &[String]) {
    if warnings.is_empty() {
        return;
    }
    let _ = writeln!(page, "<aside class=\"warnings\">\n<h2>{}</h2>\n<ul>", counted(warnings.len(), "warning"));
    for warning in warnings {
        let _ = writeln!(page, "<li>{}</li>", inline(warning));
    }
    page.push_str("</ul>\n</aside>\n");
}

/// A section of facts alone stands beside others of its kind.
fn is_compact(section: &Section) -> bool {
    !section.facts.is_empty() && section.text.is_empty() && section.figures.is_empty() && section.tables.is_empty()
}

fn section(page: &mut String, section: &Section) {
    let _ = writeln!(page, "<section>\n<h2>{}</h2>", inline(&section.heading));
    for paragraph in &section.text {
        let _ = writeln!(page, "<p class=\"prose\">{}</p>", inline(paragraph));
    }
    if !section.figures.is_empty() {
        let _ = writeln!(page, "<div class=\"figures{}\">", if section.figures.len() == 1 { " single" } else { "" });
        section.figures.iter().for_each(|f| figure(page, f, section.figures.len() == 1));
        page.push_str("</div>\n");
    }
    if !section.facts.is_empty() {
        page.push_str("<dl>\n");
        for (name, value) in &section.facts {
            let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", inline(name), inline(value));
        }
        page.push_str("</dl>\n");
    }
    section.tables.iter().for_each(|t| table(page, t));
    page.push_str("</section>\n");
}

fn figure(page: &mut String, figure: &Figure, is_single: bool) {
    let drawing = svg::draw(figure, Size::default());
    page.push_str("<figure>\n");
    if is_single && svg::picture(figure).is_none() {
        // Text would be too small on a phone or too large on a desktop, so there are two drawings and one is shown.
        let wide = svg::draw(figure, Size { width: 720.0, height: 380.0 });
        let _ = write!(page, "<div class=\"wide\">{}</div><div class=\"narrow\">{}</div>", wide.svg, drawing.svg);
    } else {
        page.push_str(&drawing.svg);
    }
    let _ = write!(page, "<figcaption>{}", inline(&figure.caption));
    for note in &drawing.notes {
        let _ = write!(page, " <span class=\"aside\">{}</span>", inline(note));
    }
    page.push_str("</figcaption>\n</figure>\n");
}

fn table(page: &mut String, table: &Table) {
    let is_number: Vec<bool> =
        (0..table.columns.len()).map(|k| text::numeric(table.rows.iter().filter_map(|row| row.get(k)))).collect();
    let class = |k: usize| if is_number[k] { " class=\"number\"" } else { "" };
    page.push_str("<div class=\"scroll\" tabindex=\"0\">\n<table>\n");
    let left_out = table.rows.len().saturating_sub(MOST_ROWS);
    let mut caption = inline(&table.caption);
    if left_out > 0 {
        let _ = write!(caption, " The first {MOST_ROWS} of {} rows are shown.", count(table.rows.len()));
    }
    if !caption.is_empty() {
        let _ = writeln!(page, "<caption>{caption}</caption>");
    }
    page.push_str("<thead><tr>");
    for (k, name) in table.columns.iter().enumerate() {
        let _ = write!(page, "<th scope=\"col\"{}>{}</th>", class(k), inline(name));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in table.rows.iter().take(MOST_ROWS) {
        page.push_str("<tr>");
        for (k, cell) in row.iter().enumerate().take(is_number.len()) {
            let _ = write!(page, "<td{}>{}</td>", class(k), inline(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}

/// A click selects the whole command even without scripts; with them there is a button.
fn command(page: &mut String, command: &str) {
    if command.is_empty() {
        return;
    }
    let _ = write!(
        page,
        "<section class=\"again\">\n<h2>Run it again</h2>\n<div class=\"command\"><pre><code id=\"command\">{}</code></pre>\
         <button type=\"button\" id=\"copy\" hidden=\"hidden\">Copy</button></div>\n</section>\n\
         <script>\nvar button = document.getElementById('copy');\nif (navigator.clipboard) {{\n  button.hidden = false;\n  \
         button.onclick = function () {{\n    navigator.clipboard.writeText(document.getElementById('command').textContent)\n      \
         .then(function () {{ button.textContent = 'Copied'; }});\n  }};\n}}\n</script>\n",
        escape(command)
    );
}

/// Escaped text in which backticks mark code.
fn inline(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // A lone backtick is a character like any other.
        return escape(text);
    }
    let mut out = String::new();
    for (i, part) in parts.iter().enumerate() {
        let _ = if i % 2 == 0 { write!(out, "{}", escape(part)) } else { write!(out, "<code>{}</code>", escape(part)) };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_mark_code_only_in_pairs() {
        assert_eq!(inline("set `noise` < 1"), "set <code>noise</code> &lt; 1");
        assert_eq!(inline("5` long"), "5` long");
    }
}
