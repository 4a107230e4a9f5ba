//! What a cell's text says: nothing, a number, or words; and the words that are dates or dressed-up numbers.

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell {
    Missing,
    /// A finite number, its decimals after a point.
    Number(f64),
    /// A finite number, its decimals after a comma.
    CommaNumber(f64),
    /// Infinite, by word or beyond double precision.
    Infinite,
    Text,
}

/// Reads a trimmed cell. `comma` allows decimal commas.
pub(super) fn classify(text: &str, comma: bool) -> Cell {
    let bytes = text.as_bytes();
    match bytes {
        [] | b"?" | b"-" => Cell::Missing,
        [b'0'..=b'9' | b'-' | b'+' | b'.', ..] => {
            if let Ok(value) = text.parse::<f64>() {
                return match value {
                    v if v.is_nan() => Cell::Missing,
                    v if v.is_infinite() => Cell::Infinite,
                    v => Cell::Number(v),
                };
            }
            if comma
                && bytes.iter().filter(|b| **b == b',').count() == 1
                && !bytes.contains(&b'.')
                && let Ok(value) = text.replace(',', ".").parse::<f64>()
            {
                return if value.is_finite() { Cell::CommaNumber(value) } else { Cell::Infinite };
            }
            Cell::Text
        }
        _ => word(text),
    }
}

fn word(text: &str) -> Cell {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if text.len() > 8 {
        return Cell::Text;
    }
    if ["na", "n/a", "nan", "null", "none", "<na>", "#n/a"].into_iter().any(is) {
        return Cell::Missing;
    }
    if ["inf", "infinity"].into_iter().any(is) { Cell::Infinite } else { Cell::Text }
}

/// A number with a currency or per cent sign, or with separators between thousands.
pub(super) fn is_dressed_number(text: &str) -> bool {
    let signs: &[char] = &['$', '€', '£', '¥', '%', ' ', '\u{a0}'];
    let bare = text.trim_matches(signs);
    let plain: String = bare.chars().filter(|c| !matches!(c, ',' | '\'' | ' ' | '\u{a0}' | '\u{202f}' | '_')).collect();
    let starts_well = bare.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    starts_well && plain != text && plain.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether a text is a date, a time of day, or both, in one of the usual ways of writing them.
pub(super) fn is_date(text: &str) -> bool {
    if !(4..=40).contains(&text.len()) || !text.is_ascii() || !text.bytes().any(|b| b.is_ascii_digit()) {
        return false;
    }
    let Some(parts) = parts(text) else { return false };
    is_named_month(&parts) || is_numeric_date(&parts) || is_time(&parts)
}

/// A run of digits or of letters, with what stands before it.
#[derive(Debug)]
struct Part<'a> {
    before: &'a str,
    text: &'a str,
}

impl Part<'_> {
    fn number(&self) -> Option<u32> {
        if self.text.len() > 9 { None } else { self.text.parse().ok() }
    }

    fn within(&self, low: u32, high: u32, digits: std::ops::RangeInclusive<usize>) -> bool {
        digits.contains(&self.text.len()) && self.number().is_some_and(|n| (low..=high).contains(&n))
    }

    fn is_year(&self) -> bool {
        self.within(1000, 2999, 4..=4)
    }

    fn is_day(&self) -> bool {
        self.within(1, 31, 1..=2)
    }

    fn is_month(&self) -> bool {
        self.within(1, 12, 1..=2)
    }
}

/// Splits into runs of digits and letters joined by the usual separators; `None` for anything else and for long texts.
fn parts(text: &str) -> Option<Vec<Part<'_>>> {
    let bytes = text.as_bytes();
    let mut parts = vec![];
    let mut at = 0;
    while at < bytes.len() {
        let begin = at;
        while at < bytes.len() && matches!(bytes[at], b'-' | b'/' | b'.' | b':' | b' ' | b',' | b'+') {
            at += 1;
        }
        let before = &text[begin..at];
        let begin = at;
        let is_digit = bytes.get(at).is_some_and(u8::is_ascii_digit);
        let same = |b: &u8| if is_digit { b.is_ascii_digit() } else { b.is_ascii_alphabetic() };
        at += bytes[at..].iter().take_while(|b| same(b)).count();
        if begin == at || parts.len() == 12 {
            return None;
        }
        parts.push(Part { before, text: &text[begin..at] });
    }
    Some(parts)
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

fn names(word: &str, of: &[&str]) -> bool {
    let word = word.to_ascii_lowercase();
    word.len() >= 3 && of.iter().any(|full| full.starts_with(&word))
}

/// One month by name, at least one number that is a day or a year, and nothing foreign: `12 Jan 2020`, `January 5th, 2020 10:30`.
fn is_named_month(parts: &[Part<'_>]) -> bool {
    let is_word = |p: &Part<'_>| p.text.as_bytes()[0].is_ascii_alphabetic();
    let months = parts.iter().filter(|p| is_word(p) && names(p.text, &MONTHS)).count();
    let known = |p: &Part<'_>| {
        let lower = p.text.to_ascii_lowercase();
        names(&lower, &MONTHS)
            || names(&lower, &DAYS)
            || is_clock_word(&lower)
            || matches!(&*lower, "st" | "nd" | "rd" | "th" | "of")
    };
    months == 1
        && parts.iter().all(|p| if is_word(p) { known(p) } else { p.text.len() <= 4 })
        && parts.iter().any(|p| p.is_day() || p.is_year() || p.within(0, 99, 2..=2))
}

fn is_clock_word(lower: &str) -> bool {
    matches!(lower, "t" | "z" | "am" | "pm" | "utc" | "gmt" | "a" | "p" | "m")
}

/// `2020-01-05`, `5/1/2020`, `05.01.2020`, `2020-01`, `2020Q1`, with or without a time.
fn is_numeric_date(parts: &[Part<'_>]) -> bool {
    let [first, rest @ ..] = parts else { return false };
    let Some(second) = rest.first() else { return false };
    if !first.before.is_empty() {
        return false;
    }
    let joined = |p: &Part<'_>| matches!(p.before, "-" | "/" | ".");
    if let [_, third, tail @ ..] = rest
        && joined(second)
        && second.before == third.before
    {
        let year_first = first.is_year() && second.is_month() && third.is_day();
        let day_and_month = first.is_day() && second.is_day() && (first.is_month() || second.is_month());
        let short_year = second.before != "." && third.within(0, 99, 2..=2);
        let year_last = day_and_month && (third.is_year() || short_year);
        return (year_first || year_last) && is_time_or_nothing(tail);
    }
    let year_month = first.is_year() && matches!(second.before, "-" | "/") && second.within(1, 12, 2..=2);
    let quarter =
        first.is_year() && second.text.eq_ignore_ascii_case("q") && rest.get(1).is_some_and(|q| q.within(1, 4, 1..=1));
    rest.len() == 1 && year_month || rest.len() == 2 && quarter
}

fn is_time_or_nothing(parts: &[Part<'_>]) -> bool {
    match parts {
        [] => true,
        [t, rest @ ..] if t.text.eq_ignore_ascii_case("t") => clock(rest),
        _ => clock(parts),
    }
}

fn is_time(parts: &[Part<'_>]) -> bool {
    parts[0].before.is_empty() && clock(parts)
}

/// `10:30`, `10:30:05.123`, `10:30 pm`, `10:30:00+02:00`.
fn clock(parts: &[Part<'_>]) -> bool {
    let [hour, minute, rest @ ..] = parts else { return false };
    let is_tail = |p: &Part<'_>| p.text.as_bytes()[0].is_ascii_digit() || is_clock_word(&p.text.to_ascii_lowercase());
    hour.within(0, 24, 1..=2) && minute.before == ":" && minute.within(0, 59, 2..=2) && rest.iter().all(is_tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_missing_markers_and_words_are_told_apart() {
        assert_eq!(classify("1e300", false), Cell::Number(1e300));
        assert_eq!(classify("-0.5", false), Cell::Number(-0.5));
        assert_eq!(classify("+.5", false), Cell::Number(0.5));
        for missing in ["", "NA", "n/a", "NaN", "nan", "null", "None", "?", "-"] {
            assert_eq!(classify(missing, false), Cell::Missing, "{missing:?}");
        }
        for infinite in ["inf", "-inf", "+Infinity", "1e999"] {
            assert_eq!(classify(infinite, false), Cell::Infinite, "{infinite:?}");
        }
        for text in ["abc", "1.2.3", "1,5", "0x10", "--", "1e", "e5"] {
            assert_eq!(classify(text, false), Cell::Text, "{text:?}");
        }
        assert_eq!(classify("-1,5e2", true), Cell::CommaNumber(-150.0));
        assert_eq!(classify("1.234,5", true), Cell::Text);
        assert_eq!(classify("1,234,567", true), Cell::Text);
    }

    #[test]
    fn dates_are_recognised_and_other_codes_are_not() {
        for date in [
            "2020-01-05",
            "2020/1/5",
            "5/1/2020",
            "31.12.1999",
            "12-31-99",
            "2020-01-05T10:30:00Z",
            "2020-01-05 10:30:00.123+02:00",
            "12 Jan 2020",
            "Jan 12, 2020",
            "January 5th, 2020",
            "Mon, 5 May 2020 10:00",
            "Mar-98",
            "10:30",
            "23:59:59",
            "2020-07",
            "2020Q3",
            "1/2/2020 1:05 PM",
        ] {
            assert!(is_date(date), "{date}");
        }
        for other in [
            "1.2.3",
            "1.2.20",
            "setosa",
            "A-12",
            "May",
            "12",
            "1234-56",
            "192.168.0.1",
            "10:5",
            "x2020-01-05",
            "2020-13-45",
            "3/4",
            "99-99-99",
        ] {
            assert!(!is_date(other), "{other}");
        }
    }

    #[test]
    fn signs_and_thousands_are_recognised() {
        for dressed in ["$5", "12 %", "1,234", "1,234.5", "€ 3.50", "1'000"] {
            assert!(is_dressed_number(dressed), "{dressed}");
        }
        for other in ["5", "abc", "1st", "4wd", "%", "-"] {
            assert!(!is_dressed_number(other), "{other}");
        }
    }
}
