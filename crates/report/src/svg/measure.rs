//! Widths of text, estimated: the drawing is laid out without knowing the reader's font.

/// How much wider than Helvetica a common sans-serif font may be; DejaVu Sans is the widest in wide use.
const GENEROUS: f64 = 1.15;

/// Width of `text` in drawing units, generous for common sans-serif fonts.
pub(super) fn width(text: &str, size: f64) -> f64 {
    GENEROUS * size * text.chars().map(advance).sum::<f64>()
}

/// Advance of a character in units of the font size, as in Helvetica.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.25,
        'f' | 't' | 'r' | ' ' | '\u{a0}' | '(' | ')' | '[' | ']' | '/' | '-' | 'I' => 0.32,
        '⁰' | '¹' | '²' | '³' | '⁴'..='⁹' | '⁻' => 0.36,
        'm' | 'M' | 'W' | 'w' | '%' | '@' | '…' => 0.87,
        'A'..='Z' | '&' | '+' | '−' | '×' | '=' | '<' | '>' => 0.68,
        '0'..='9' | 'a'..='z' => 0.56,
        c if c.is_ascii() => 0.56,
        // Scripts with full-width characters.
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' => 1.0,
        '\u{1f300}'..='\u{1faff}' => 1.2,
        _ => 0.62,
    }
}

/// `text` cut with an ellipsis so that it is at most `room` wide.
pub(super) fn fit(text: &str, room: f64, size: f64) -> String {
    // Room that was made for this very text may differ from its width by rounding.
    if width(text, size) <= room + 1e-6 {
        return text.into();
    }
    let mut kept = String::new();
    let mut used = width("…", size);
    for c in text.chars() {
        used += GENEROUS * size * advance(c);
        if used > room {
            break;
        }
        kept.push(c);
    }
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_fits_is_kept_and_other_text_is_cut_to_fit() {
        assert_eq!(fit("short", 100.0, 12.0), "short");
        assert_eq!(fit("x", 9.0 + width("x", 12.0) - 9.0, 12.0), "x", "room made for it, to rounding");
        let cut = fit("a very long name of a column indeed", 80.0, 12.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 80.0, "{cut}");
    }
}
