//! Dates and times that a binary table holds as numbers, in the words of a CSV file (ISO 8601), so that models read both alike.

/// Nanoseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000_000;

/// Days from the first of March of the year 0 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// Lengths of the months from March on, so that the leap day is the last of the year.
const MONTHS: [i64; 12] = [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29];

/// `2020-01-05` from days since 1970-01-01.
pub(super) fn date(days: i64) -> String {
    let days = days + EPOCH;
    let before = |year: i64| 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 400 years have 146,097 days; the quotient is off by one year at most.
    let mut year = (days * 400).div_euclid(146_097);
    while before(year) > days {
        year -= 1;
    }
    while before(year + 1) <= days {
        year += 1;
    }
    let mut day = days - before(year);
    let mut month = 0;
    while day >= MONTHS[month] {
        day -= MONTHS[month];
        month += 1;
    }
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    format!("{year:04}-{month:02}-{:02}", day + 1)
}

/// `13:30:15`, with decimals where there are any, from units since midnight, each of so many nanoseconds.
pub(super) fn clock(units: i64, nanoseconds: i64) -> String {
    let a_second = 1_000_000_000 / nanoseconds;
    let (seconds, rest) = (units.div_euclid(a_second), units.rem_euclid(a_second) * nanoseconds);
    let whole = format!("{:02}:{:02}:{:02}", seconds.div_euclid(3600), seconds / 60 % 60, seconds % 60);
    if rest == 0 { whole } else { format!("{whole}.{rest:09}").trim_end_matches('0').to_owned() }
}

/// `2020-01-05T13:30:15` from units since the beginning of 1970, each of so many nanoseconds.
pub(super) fn instant(units: i64, nanoseconds: i64) -> String {
    let a_day = DAY / nanoseconds;
    format!("{}T{}", date(units.div_euclid(a_day)), clock(units.rem_euclid(a_day), nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_instants_are_written_as_dates() {
        let days = [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (18_266, "2020-01-05"),
            (-25_509, "1900-02-28"),
            (-25_508, "1900-03-01"),
        ];
        for (day, text) in days {
            assert_eq!(date(day), text);
        }
        assert_eq!(instant(-1, 1_000_000), "1969-12-31T23:59:59.999");
        assert_eq!(instant(86_400, 1_000_000_000), "1970-01-02T00:00:00");
        assert_eq!(instant(1, 1), "1970-01-01T00:00:00.000000001");
        assert_eq!(clock(48_615_500, 1_000_000), "13:30:15.5");
    }

    #[test]
    fn days_follow_each_other() {
        let texts: Vec<String> = (-700_000..2_000_000).step_by(97).map(date).collect();
        assert!(texts.windows(2).all(|pair| pair[0] < pair[1]), "the texts of later days are later");
        assert_eq!((date(i64::from(i32::MAX)).len(), date(i64::from(i32::MIN)).starts_with('-')), (13, true));
    }
}
