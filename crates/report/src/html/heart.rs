//! The heart of a report for a notebook's cell: verdict, key figures, warnings and the first picture, with inline style.

use super::inline;
use crate::format::escape;
use crate::report::{Report, Standing};
use crate::svg::{Size, to_svg};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

/// Colours that can be read on light and on dark paper.
fn colour(standing: Standing) -> &'static str {
    match standing {
        Standing::Neutral => "#7a8594",
        Standing::Good => "#0f8b78",
        Standing::Caution => "#d9730d",
        Standing::Poor => "#c0473d",
    }
}

/// The report's heart as one `<div>`, to stand inside another page.
pub fn heart(report: &Report) -> String {
    let mut html = String::from("<div style=\"max-width:760px;line-height:1.45\">\n");
    let _ = writeln!(html, "<div style=\"opacity:.75;font-size:.9em\">{}</div>", inline(&report.subtitle));
    let bar = colour(report.standing);
    let _ = writeln!(html, "<div style=\"border-left:4px solid {bar};padding-left:.8em;margin:.4em 0\">");
    let _ = writeln!(html, "<strong>{}</strong>", inline(&report.headline));
    for sentence in &report.verdict {
        let _ = writeln!(html, "<div>{}</div>", inline(sentence));
    }
    html.push_str("</div>\n<div style=\"display:flex;flex-wrap:wrap;gap:1.6em;margin:.6em 0\">\n");
    for card in &report.cards {
        let _ = writeln!(
            html,
            "<div title=\"{}\"><div style=\"opacity:.75;font-size:.85em\">{}</div>\
             <div style=\"font-size:1.3em;color:{}\">{}</div></div>",
            escape(&card.note),
            inline(&card.label),
            if card.standing == Standing::Neutral { "inherit" } else { colour(card.standing) },
            inline(&card.value)
        );
    }
    html.push_str("</div>\n");
    for warning in &report.warnings {
        let _ = writeln!(html, "<div style=\"color:{}\">{}</div>", colour(Standing::Caution), inline(warning));
    }
    if let Some(figure) = report.sections.iter().flat_map(|section| &section.figures).next() {
        // As a picture of its own, so that neither style reaches the other.
        let drawing = STANDARD.encode(to_svg(figure, Size { width: 640.0, height: 340.0 }));
        let _ = writeln!(
            html,
            "<img style=\"max-width:100%\" alt=\"{}\" src=\"data:image/svg+xml;base64,{drawing}\"/>",
            escape(&figure.caption)
        );
    }
    html.push_str("</div>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Card;

    #[test]
    fn the_heart_says_the_verdict_and_escapes_the_user() {
        let report = Report {
            headline: "`a` < b".into(),
            cards: vec![Card::new("RMSE", "0.5", "in \"units\"")],
            warnings: vec!["few rows".into()],
            ..Report::default()
        };
        let html = heart(&report);
        assert!(html.contains("<strong><code>a</code> &lt; b</strong>"), "{html}");
        assert!(html.contains("title=\"in &quot;units&quot;\"") && html.contains("few rows"), "{html}");
        assert!(!html.contains("<img"), "a report without figures has no picture");
    }
}
