//! The Prometheus text exposition format, version 0.0.4.

use super::{BOUNDS, Count, Histogram};
use std::fmt::{Display, Write as _};

/// A sample's one label.
type Label = (&'static str, &'static str);

/// An exposition that is being written: one family after the other.
#[derive(Default)]
pub(crate) struct Text(String);

impl Text {
    /// What such a text is declared as.
    pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// What was written.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// A number that only grows while the node runs.
    pub(crate) fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.family(name, help, "counter");
        self.sample(name, "", &[], value);
    }

    /// The same, by the values of one label.
    pub(crate) fn counters(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: &[(&'static str, u64)],
    ) {
        self.family(name, help, "counter");
        for (of, value) in values {
            self.sample(name, "", &[(label, of)], value);
        }
    }

    /// A number as it is now.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.family(name, help, "gauge");
        self.sample(name, "", &[], value);
    }

    /// The same, by the values of one label.
    pub(crate) fn gauges(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: &[(&'static str, u64)],
    ) {
        self.family(name, help, "gauge");
        for (of, value) in values {
            self.sample(name, "", &[(label, of)], value);
        }
    }

    /// How long something took.
    pub(crate) fn histogram(&mut self, name: &'static str, help: &'static str, of: &Histogram) {
        self.family(name, help, "histogram");
        self.buckets(name, &[], of);
    }

    /// The same, by the values of one label.
    pub(crate) fn histograms(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: &[(&'static str, &Histogram)],
    ) {
        self.family(name, help, "histogram");
        for (of, histogram) in values {
            self.buckets(name, &[(label, of)], histogram);
        }
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        // Writing into memory does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn buckets(&mut self, name: &str, labels: &[Label], of: &Histogram) {
        // Read once: the count must be that of the last bucket, also while somebody counts.
        let counts: Vec<u64> = of.counts.iter().map(Count::get).collect();
        let bounds = BOUNDS.iter().map(|(_, seconds)| *seconds).chain(["+Inf"]);
        let mut sum = 0;
        for (bound, count) in bounds.zip(counts) {
            sum += count;
            let labels: Vec<Label> = labels.iter().copied().chain([("le", bound)]).collect();
            self.sample(name, "_bucket", &labels, sum);
        }
        let nanos = of.sum_nanos.get();
        let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        self.sample(name, "_sum", labels, format!("{whole}.{rest:09}"));
        self.sample(name, "_count", labels, sum);
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: &[Label], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, of)| format!("{label}=\"{of}\""))
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        // As above.
        let _ = writeln!(self.0, "{name}{suffix}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_histogram_counts_each_duration_in_every_bucket_that_holds_it() {
        let took = Histogram::default();
        took.note(Duration::from_micros(50));
        took.note(Duration::from_micros(51));
        took.note(Duration::from_secs(60));
        let mut text = Text::default();
        text.histograms("comity_x_seconds", "Help.", "stage", &[("one", &took)]);
        let text = text.into_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "# HELP comity_x_seconds Help.",
                "# TYPE comity_x_seconds histogram",
                "comity_x_seconds_bucket{stage=\"one\",le=\"0.00005\"} 1",
                "comity_x_seconds_bucket{stage=\"one\",le=\"0.0001\"} 2",
            ]
        );
        assert_eq!(
            lines[lines.len() - 4..],
            [
                "comity_x_seconds_bucket{stage=\"one\",le=\"10\"} 2",
                "comity_x_seconds_bucket{stage=\"one\",le=\"+Inf\"} 3",
                "comity_x_seconds_sum{stage=\"one\"} 60.000101000",
                "comity_x_seconds_count{stage=\"one\"} 3",
            ]
        );
    }

    #[test]
    fn the_bounds_of_buckets_are_said_in_seconds_and_grow() {
        for ((nanos, seconds), next) in BOUNDS.iter().zip(&BOUNDS[1..]) {
            assert!(*nanos < next.0);
            let said: f64 = seconds.parse().unwrap();
            assert!((said * 1e9 - *nanos as f64).abs() < 1.0, "{seconds}");
        }
    }
}
