//! Times written as dates: days since 1970.

/// Days since 1970-01-01 of an ISO date: `2020-05`, `2020-05-17`, `2020-05-17 13:30`, `2020-05-17T13:30:15.5Z`. `None` for anything else,
/// and for days that do not exist.
pub fn parse_date(text: &str) -> Option<f64> {
    let text = text.trim().trim_end_matches('Z');
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let number = |part: &str, digits: std::ops::RangeInclusive<usize>| -> Option<i64> {
        (digits.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4..=4)?;
    let month = number(parts.next()?, 1..=2)?;
    let day = parts.next().map_or(Some(1), |d| number(d, 1..=2))?;
    if parts.next().is_some() || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let mut days = days_from_civil(year, month, day) as f64;
    if let Some(time) = time {
        let mut parts = time.split(':');
        let hour = number(parts.next()?, 1..=2)?;
        let minute = number(parts.next()?, 1..=2)?;
        let second: f64 = parts.next().map_or(Some(0.0), |s| s.parse().ok())?;
        if parts.next().is_some() || hour > 23 || minute > 59 || !(0.0..61.0).contains(&second) {
            return None;
        }
        days += (hour * 3600 + minute * 60) as f64 / 86_400.0 + second / 86_400.0;
    }
    Some(days)
}

/// The calendar year of a day since 1970, with its fraction, for axes.
pub fn year(days: f64) -> f64 {
    1970.0 + days / 365.2425
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Hinnant's count: the year begins in March, so that the leap day is its last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days() {
        assert_eq!(parse_date("1970-01-01"), Some(0.0));
        assert_eq!(parse_date("2000-03-01"), Some(11_017.0));
        assert_eq!(parse_date("2020-05"), parse_date("2020-05-01"));
        assert_eq!(parse_date("1969-12-31T12:00Z"), Some(-0.5));
        assert_eq!(parse_date("2020-02-29 06:00:00"), Some(18_321.25));
        for bad in ["2019-02-29", "high", "2020-13-01", "20-01-01", "2020-01-01-1", "2020-01-01 25:00", ""] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
