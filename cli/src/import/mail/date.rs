//! When a message was written: its Date, else when it was received, else what the mbox says.
//!
//! Own parser, because real dates are worse than the standards: two-digit years, missing seconds or
//! zones, comments, the form of `ctime`. It looks for parts by their shape, in any order.

use super::header::Headers;
use comity_protocol::limits::TIME_MAX_MS;
use jiff::civil;

/// Longest date that is looked at, in bytes.
const DATE_MAX_BYTES: usize = 200;

/// The time, and a note if it is not the author's own.
pub(super) fn of_message(
    headers: &Headers,
    from_line: Option<&str>,
) -> (Option<u64>, Option<String>) {
    if let Some(time) = headers.first("date").and_then(|date| parse(&date)) {
        return (Some(time), None);
    }
    let received = headers
        .first("received")
        .and_then(|value| parse(value.rsplit(';').next()?));
    if let Some(time) = received {
        return (
            Some(time),
            Some("Its date is missing or broken; the time is when it was received.".into()),
        );
    }
    if let Some(time) = from_line.and_then(parse) {
        return (
            Some(time),
            Some("Its date is missing or broken; the time is from the archive.".into()),
        );
    }
    (None, Some("Its date is missing or broken.".into()))
}

/// Milliseconds since the Unix epoch.
pub(super) fn parse(text: &str) -> Option<u64> {
    let mut end = text.len().min(DATE_MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text[..end].trim();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return in_range(time.as_millisecond());
    }
    let (mut day, mut month, mut year, mut clock, mut zone) = (None, None, None, None, None);
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')')) {
        // "17-Nov-2009" is three parts, "-0500" is one.
        let parts = if word.starts_with(['-', '+']) {
            vec![word]
        } else {
            word.split('-').collect()
        };
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            if part.contains(':') {
                clock = clock.or_else(|| parse_clock(part));
            } else if part.starts_with(['+', '-']) {
                zone = zone.or_else(|| parse_offset(part));
            } else if let Ok(number) = part.parse::<i16>() {
                match number {
                    1..=31 if day.is_none() && part.len() <= 2 => day = Some(number as i8),
                    0..=99 if year.is_none() && part.len() == 2 => {
                        year = Some(if number < 70 {
                            2000 + number
                        } else {
                            1900 + number
                        });
                    }
                    1970..=9999 if year.is_none() => year = Some(number),
                    _ => {}
                }
            } else if month.is_none() && month_of(part).is_some() {
                month = month_of(part);
            } else {
                zone = zone.or_else(|| named_zone(part));
            }
        }
    }
    let (hour, minute, second) = clock.unwrap_or((0, 0, 0));
    let local = civil::DateTime::new(year?, month?, day?, hour, minute, second, 0).ok()?;
    let utc = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    in_range(utc.timestamp().as_millisecond() - zone.unwrap_or(0) * 60_000)
}

fn in_range(time_ms: i64) -> Option<u64> {
    u64::try_from(time_ms)
        .ok()
        .filter(|time| *time > 0 && *time <= TIME_MAX_MS)
}

fn parse_clock(text: &str) -> Option<(i8, i8, i8)> {
    let mut parts = text.split([':', '.']).map(|part| part.parse::<i8>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    // A leap second shows as the second before it.
    Some((hour, minute, parts.next().flatten().unwrap_or(0).min(59)))
}

/// Minutes east of UTC.
fn parse_offset(text: &str) -> Option<i64> {
    let digits = text.get(1..)?;
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let minutes = digits[..2].parse::<i64>().ok()? * 60 + digits[2..].parse::<i64>().ok()?;
    Some(if text.starts_with('-') {
        -minutes
    } else {
        minutes
    })
}

fn named_zone(name: &str) -> Option<i64> {
    let hours = match name.to_ascii_uppercase().as_str() {
        "UT" | "UTC" | "GMT" | "Z" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "CET" | "MET" => 1,
        "CEST" | "MEST" => 2,
        _ => return None,
    };
    Some(hours * 60)
}

fn month_of(name: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let start = name.get(..3)?.to_ascii_lowercase();
    MONTHS
        .iter()
        .position(|month| *month == start)
        .map(|at| at as i8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_found_in_archives() {
        let noon = Some(1_258_459_200_000); // 2009-11-17 12:00 UTC
        for date in [
            "Tue, 17 Nov 2009 12:00:00 +0000",
            "17 Nov 09 07:00 EST",
            "Tue Nov 17 12:00:00 2009",
            "Tue, 17-Nov-2009 13:00:00 +0100 (CET)",
            "2009-11-17T12:00:00Z",
            "Tuesday, 17 November 2009 04:00:00 -0800",
            "Tue Nov 17 13:00:00 CET 2009",
        ] {
            assert_eq!(parse(date), noon, "{date}");
        }
    }

    #[test]
    fn broken_dates_are_none() {
        for date in [
            "",
            "yesterday",
            "32 Nov 2009",
            "30 Feb 2009 10:00",
            "1 Jan 1960",
            "17 Nov",
            "-",
            "é".repeat(300).as_str(),
        ] {
            assert_eq!(parse(date), None, "{date}");
        }
    }
}
