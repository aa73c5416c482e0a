//! The text formats: Prometheus 0.0.4, and `OpenMetrics` 1.0 for who asks for it.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>

use std::fmt::{self, Write as _};

use super::atoms::{BOUNDS, Histogram};
use super::families::{Family, Kind};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// The one that an `Accept` header likes better. Who says nothing, or cannot be understood, gets the older one, which
    /// everybody reads.
    pub(crate) fn of(accept: &str) -> Self {
        let liked = |wanted: &str| {
            let all = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_it = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
                let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f64>().ok());
                is_it.then_some(quality.unwrap_or(1.0))
            });
            all.fold(0.0, f64::max)
        };
        let wants_newer = liked("application/openmetrics-text");
        if wants_newer > 0.0 && wants_newer >= liked("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A label: its name, and a value out of a closed set.
pub(crate) type Label<'a> = (&'static str, &'a str);

/// The text of one scrape.
#[derive(Debug)]
pub(crate) struct Text {
    format: Format,
    text: String,
}

/// What one scrape usually takes.
const USUAL_BYTES: usize = 32 * 1024;

impl Text {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(USUAL_BYTES) }
    }

    pub(crate) fn into_string(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    /// Begins a family. All its samples are written before the next one begins.
    pub(crate) fn family(&mut self, family: &'static Family) -> Samples<'_> {
        let name = match (self.format, family.kind) {
            // There the suffix belongs to the sample.
            (Format::OpenMetrics, Kind::Counter) => family.name.strip_suffix("_total").unwrap_or(family.name),
            _ => family.name,
        };
        let (help, kind) = (Escaped(family.help), family.kind.name());
        // Writing to a string never fails.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Samples { text: &mut self.text, family }
    }

    /// A family of one number without labels.
    #[allow(clippy::cast_precision_loss, reason = "a number that large is read as a rate")]
    pub(crate) fn one(&mut self, family: &'static Family, value: u64) {
        self.family(family).sample(&[], value as f64);
    }
}

/// The samples of one family.
pub(crate) struct Samples<'a> {
    text: &'a mut String,
    family: &'static Family,
}

impl Samples<'_> {
    /// A number that may have a fraction.
    pub(crate) fn sample(&mut self, labels: &[Label<'_>], value: f64) {
        self.line("", labels, None, value);
    }

    #[allow(clippy::cast_precision_loss, reason = "a number that large is read as a rate")]
    pub(crate) fn count(&mut self, labels: &[Label<'_>], value: u64) {
        self.sample(labels, value as f64);
    }

    /// 1 for yes and 0 for no.
    pub(crate) fn flag(&mut self, labels: &[Label<'_>], value: bool) {
        self.sample(labels, f64::from(u8::from(value)));
    }

    #[allow(clippy::cast_precision_loss, reason = "a number that large is read as a rate")]
    pub(crate) fn histogram(&mut self, labels: &[Label<'_>], histogram: &Histogram) {
        let (below, all) = histogram.cumulative();
        for ((bound, _), count) in BOUNDS.iter().zip(below) {
            self.line("_bucket", labels, Some(*bound), count as f64);
        }
        self.line("_bucket", labels, Some(f64::INFINITY), all as f64);
        self.line("_sum", labels, None, histogram.sum_secs());
        self.line("_count", labels, None, all as f64);
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], bound: Option<f64>, value: f64) {
        debug_assert!(labels.iter().map(|(name, _)| name).eq(self.family.labels), "{}", self.family.name);
        let text = &mut *self.text;
        text.push_str(self.family.name);
        text.push_str(suffix);
        let mut before = '{';
        for (name, value) in labels {
            let _ = write!(text, "{before}{name}=\"{}\"", Escaped(value));
            before = ',';
        }
        if let Some(bound) = bound {
            let _ = write!(text, "{before}le=\"{}\"", Bound(bound));
            before = ',';
        }
        if before == ',' {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

/// With a point, which `OpenMetrics` wants.
struct Bound(f64);

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() { f.write_str("+Inf") } else { write!(f, "{:?}", self.0) }
    }
}

/// The three characters that cannot stand in a label as they are.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static ASKED: Family = Family { name: "a_total", kind: Kind::Counter, labels: &["b", "c"], help: "Some." };
    static TOOK: Family = Family { name: "t_seconds", kind: Kind::Histogram, labels: &["b"], help: "Some." };
    static NOW: Family = Family { name: "n", kind: Kind::Gauge, labels: &[], help: "Some." };

    fn written(format: Format) -> String {
        let mut text = Text::new(format);
        text.family(&ASKED).count(&[("b", "x\"\\\n"), ("c", "")], 12_345_678_901);
        text.one(&NOW, 3);
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(2));
        histogram.observe(Duration::from_secs(20));
        text.family(&TOOK).histogram(&[("b", "x")], &histogram);
        text.into_string()
    }

    #[test]
    fn the_older_format() {
        let text = written(Format::Prometheus);
        let begin = "# HELP a_total Some.\n# TYPE a_total counter\na_total{b=\"x\\\"\\\\\\n\",c=\"\"} 12345678901\n\
                     # HELP n Some.\n# TYPE n gauge\nn 3\n# HELP t_seconds Some.\n# TYPE t_seconds histogram\n\
                     t_seconds_bucket{b=\"x\",le=\"0.0001\"} 0\n";
        assert!(text.starts_with(begin), "{text}");
        for line in [
            "t_seconds_bucket{b=\"x\",le=\"0.001\"} 0",
            "t_seconds_bucket{b=\"x\",le=\"0.003\"} 1",
            "t_seconds_bucket{b=\"x\",le=\"10.0\"} 1",
            "t_seconds_bucket{b=\"x\",le=\"+Inf\"} 2",
            "t_seconds_sum{b=\"x\"} 20.002",
            "t_seconds_count{b=\"x\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_newer_format_names_counters_without_their_suffix_and_ends() {
        let text = written(Format::OpenMetrics);
        assert!(text.starts_with("# HELP a Some.\n# TYPE a counter\na_total{"), "{text}");
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }

    #[test]
    fn the_format_is_the_one_that_is_liked_better() {
        for (accept, format) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/plain;version=0.0.4", Format::Prometheus),
            ("application/openmetrics-text;version=1.0.0;q=0", Format::Prometheus),
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.6", Format::Prometheus),
            ("application/openmetrics-text; version=1.0.0", Format::OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(Format::of(accept), format, "{accept}");
        }
    }
}
