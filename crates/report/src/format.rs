//! Numbers and names as people read them.

/// A number with three significant digits: `5.1`, `0.0123`, `1,030`, `−4.2 × 10⁷`. Not-a-number is a dash.
pub fn number(value: f64) -> String {
    significant(value, 3)
}

/// A number with `digits` significant digits; integers below a million are written in full, with thousands separated.
pub fn significant(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "–".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".into() } else { "−∞".into() };
    }
    if value == 0.0 {
        return "0".into();
    }
    let rounded = format!("{:.*e}", digits.max(1) - 1, value.abs());
    let (mantissa, exponent) = rounded.split_once('e').expect("the scientific format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is an integer");
    let sign = if value < 0.0 { "−" } else { "" };
    if !(-4..6).contains(&exponent) {
        return format!("{sign}{} × 10{}", trim_zeros(mantissa), superscript(exponent));
    }
    let is_integer = value.fract() == 0.0;
    let decimals = if is_integer { 0 } else { (digits as i32 - 1 - exponent).max(0) as usize };
    let plain = format!("{:.*}", decimals, value.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", thousands(whole))
}

/// A count with thousands separated: `12,345`.
pub fn count(n: usize) -> String {
    thousands(&n.to_string())
}

/// A share as a percentage: `94 %`, with a decimal close to the ends (`99.5 %`), where a whole number would say 100 or 0.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return "–".into();
    }
    let (sign, value) = (if share < 0.0 { "−" } else { "" }, 100.0 * share.abs());
    let to_the_end = value.min((100.0 - value).abs());
    let text = if to_the_end > 1e-9 && to_the_end < 1.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    // No line break between the number and its sign.
    format!("{sign}{text}\u{a0}%")
}

/// "1 row", "2,000 rows".
pub fn counted(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A share in words: "about a third of"; above 0.95 there is no word that helps, and the answer is `None`.
pub(crate) fn fraction_words(share: f64) -> Option<String> {
    const WORDS: [(f64, &str); 11] = [
        (0.1, "a tenth"),
        (0.2, "a fifth"),
        (0.25, "a quarter"),
        (1.0 / 3.0, "a third"),
        (0.4, "two fifths"),
        (0.5, "half"),
        (0.6, "three fifths"),
        (2.0 / 3.0, "two thirds"),
        (0.75, "three quarters"),
        (0.8, "four fifths"),
        (0.9, "nine tenths"),
    ];
    if !(0.0..0.95).contains(&share) {
        return None;
    }
    if share < 0.08 {
        return Some("less than a tenth".into());
    }
    let nearest = WORDS.iter().min_by(|a, b| (a.0 - share).abs().total_cmp(&(b.0 - share).abs()));
    nearest.map(|(_, words)| format!("about {words}"))
}

/// Text for XML and HTML. Characters that XML 1.0 forbids become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// An integer as raised digits, for powers of ten.
pub(crate) fn superscript(n: i32) -> String {
    n.to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => {
                char::from_u32(0x2070 + digit as u32 - '0' as u32).expect("raised digits 0 and 4 to 9 follow U+2070")
            }
        })
        .collect()
}

fn thousands(digits: &str) -> String {
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn trim_zeros(mantissa: &str) -> &str {
    if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_person_writes_them() {
        let pairs = [
            (0.0, "0"),
            (5.1, "5.1"),
            (5.0, "5"),
            (1030.4, "1,030"),
            (123456.0, "123,456"),
            (-0.012345, "−0.0123"),
            (1e300, "1 × 10³⁰⁰"),
            (-4.2e7, "−4.2 × 10⁷"),
            (2.5e-9, "2.5 × 10⁻⁹"),
            (0.9996, "1"),
            (f64::NAN, "–"),
            (f64::INFINITY, "∞"),
        ];
        for (value, text) in pairs {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn percentages_keep_a_decimal_only_near_the_ends() {
        assert_eq!(percent(0.942), "94\u{a0}%");
        assert_eq!(percent(0.996), "99.6\u{a0}%");
        assert_eq!(percent(1.0), "100\u{a0}%");
        assert_eq!(percent(-0.3), "−30\u{a0}%");
        assert_eq!(percent(0.0), "0\u{a0}%");
    }

    #[test]
    fn shares_become_words() {
        assert_eq!(fraction_words(0.32).as_deref(), Some("about a third"));
        assert_eq!(fraction_words(0.01).as_deref(), Some("less than a tenth"));
        assert_eq!(fraction_words(0.97), None);
    }

    #[test]
    fn markup_and_control_characters_cannot_pass() {
        assert_eq!(escape("<b a=\"1\">&'\u{0}"), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;\u{fffd}");
    }
}
