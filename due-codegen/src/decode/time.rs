//! Times of heartbeats.

/// Unix time in nanoseconds or milliseconds as UTC.
pub(super) fn utc(time: i64, per_second: i64) -> String {
    let (seconds, part) = (time.div_euclid(per_second), time.rem_euclid(per_second));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let millis = part * 1000 / per_second;
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a day that is counted from 1970-01-01, in the calendar that leaps by 400 years.
fn date(days: i64) -> (i64, i64, i64) {
    // Years that begin in March put the odd day at their end.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_units() {
        assert_eq!(utc(1_702_031_129_000, 1_000), "2023-12-08T10:25:29.000Z");
        assert_eq!(utc(1_795_360_014_633_201_741, 1_000_000_000), "2026-11-22T15:06:54.633Z");
        assert_eq!(utc(0, 1_000), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(-1, 1_000), "1969-12-31T23:59:59.999Z");
        assert_eq!(utc(951_782_400_000, 1_000), "2000-02-29T00:00:00.000Z");
        assert!(utc(i64::MAX, 1).contains('T') && utc(i64::MIN, 1).contains('T'));
    }
}
