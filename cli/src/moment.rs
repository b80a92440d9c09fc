//! Clock, and how times and durations are written and read.

use jiff::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// This machine's clock, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A time for people, in UTC to the minute.
pub(crate) fn show(ms: u64) -> String {
    i64::try_from(ms).map_or_else(|_| "(far future)".to_owned(), show_signed)
}

/// The same for times that may lie before 1970.
pub(crate) fn show_signed(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "(far away)".to_owned(),
    }
}

/// Reads `30m`, `12h`, `7d`, `2w`; in milliseconds.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    const FORM: &str = "give a number and a unit, such as 30m, 12h, 7d or 2w";
    let unit = text.chars().last().ok_or(FORM)?;
    let number: u64 = text[..text.len() - unit.len_utf8()]
        .parse()
        .map_err(|_| FORM)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        'w' => 7 * 24 * 60 * 60,
        _ => return Err(FORM.to_owned()),
    };
    number
        .checked_mul(seconds * 1000)
        .filter(|ms| *ms > 0)
        .ok_or_else(|| FORM.to_owned())
}

/// A length of time for people, in its largest fitting unit.
pub(crate) fn show_duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        assert_eq!(parse_duration("7d"), Ok(604_800_000));
        assert_eq!(show_duration(604_800_000), "7 days");
        assert_eq!(show_duration(60_000), "1 minute");
        for broken in [
            "",
            "7",
            "d",
            "0d",
            "-1d",
            "7 d",
            "99999999999999999999d",
            "7é",
        ] {
            assert!(parse_duration(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(show(0), "1970-01-01 00:00 UTC");
        assert_eq!(show_signed(-60_000), "1969-12-31 23:59 UTC");
        assert_eq!(show(u64::MAX), "(far future)");
    }
}
