//! What did all measurements give, for people and for programs?

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use crate::disturbance::QUIET_SHARE;
use crate::machine::Machine;
use crate::measure::Measured;
use crate::prepare::Language;
use crate::rows::{Ceiling, ECHO_ALONE, Row};
use crate::servers::Kind;
use crate::statistics::{median, range};

#[derive(Serialize)]
pub struct Report {
    pub machine: Machine,
    /// Of Abide's objects.
    pub language: Language,
    pub versions: BTreeMap<&'static str, String>,
    pub repetitions: u32,
    pub loop_s: f64,
    pub took_s: u64,
    /// A 4 KiB append and its sync, once per repetition.
    pub sync_us: Vec<f64>,
    pub load_after: String,
    pub samples: Vec<Sample>,
}

/// One measurement.
#[derive(Serialize)]
pub struct Sample {
    pub row: &'static str,
    pub server: Kind,
    pub repetition: u32,
    pub value: Option<f64>,
    pub error: Option<String>,
    pub answers: u64,
    pub p99_us: Option<f64>,
    /// The share of the machine that others used meanwhile.
    pub others: Option<f64>,
    pub server_cpu_us_per_answer: Option<f64>,
    pub generator_cpu_us_per_answer: Option<f64>,
}

impl Sample {
    pub fn new(row: &Row, server: Kind, repetition: u32, measured: Result<Measured>) -> Sample {
        let mut sample = Sample {
            row: row.name,
            server,
            repetition,
            value: None,
            error: None,
            answers: 0,
            p99_us: None,
            others: None,
            server_cpu_us_per_answer: None,
            generator_cpu_us_per_answer: None,
        };
        match measured {
            Err(error) => sample.error = Some(format!("{error:#}")),
            Ok(measured) => {
                let per_answer = |seconds: f64| seconds * 1e6 / measured.answers.max(1) as f64;
                sample.value = Some(measured.value);
                sample.answers = measured.answers;
                sample.p99_us = measured.p99_us;
                sample.others = measured.usage.map(|usage| usage.others);
                sample.server_cpu_us_per_answer =
                    measured.usage.map(|usage| per_answer(usage.server_s));
                sample.generator_cpu_us_per_answer =
                    measured.usage.map(|usage| per_answer(usage.generator_s));
            }
        }
        sample
    }

    /// One line for who waits.
    pub fn progress(&self, row: &Row) -> String {
        let server = self.server.name();
        let Some(value) = self.value else {
            return format!(
                "{server:8} {}: invalid: {}",
                row.name,
                self.error.as_deref().unwrap_or_default()
            );
        };
        let mut line = format!("{server:8} {}: {}", row.name, row.unit.show(value));
        if let (Some(others), Some(cpu), Some(generator)) = (
            self.others,
            self.server_cpu_us_per_answer,
            self.generator_cpu_us_per_answer,
        ) {
            let _ = write!(
                line,
                " (per answer {cpu:.1} µs of CPU in the server, {generator:.1} in the load generator; others {:.0} %)",
                others * 100.0
            );
        }
        line
    }
}

impl Report {
    /// How many measurements gave no figure.
    pub fn invalid(&self) -> usize {
        self.samples
            .iter()
            .filter(|sample| sample.error.is_some())
            .count()
    }

    pub fn markdown(&self, rows: &[&Row], servers: &[Kind]) -> String {
        let mut text = self.machine_line();
        let shown: Vec<Kind> = [Kind::Workerd, Kind::Abide, Kind::Ceiling]
            .into_iter()
            .filter(|kind| servers.contains(kind))
            .collect();
        text += "\n| Figure |";
        for kind in &shown {
            let _ = write!(text, " {} |", kind.name());
        }
        text += " Abide ÷ workerd | Aim | Abide ÷ ceiling | Others |\n|---|";
        text += &"--:|".repeat(shown.len() + 4);
        text.push('\n');
        for row in rows {
            let _ = write!(text, "| {} |", row.label);
            for kind in &shown {
                let _ = write!(text, " {} |", self.value_cell(row, *kind));
            }
            let _ = writeln!(
                text,
                " {} | {} | {} | {} |",
                self.ratio_cell(row, Kind::Workerd),
                self.aim_cell(row),
                self.ratio_cell(row, Kind::Ceiling),
                self.others_cell(row)
            );
        }
        text += &self.footnotes();
        text
    }

    fn machine_line(&self) -> String {
        let machine = &self.machine;
        let versions: Vec<String> = self
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        format!(
            "{}. {} cores of {}, {} GB, {}, {} on {}. Load {} before, {} after. {}. {} repetitions, {} s per loop, {} min.\n",
            self.language.said(),
            machine.cores,
            machine.cpu,
            machine.memory_gb,
            machine.kernel,
            machine.filesystem,
            machine.disk,
            machine.load_before,
            self.load_after,
            versions.join("; "),
            self.repetitions,
            self.loop_s,
            self.took_s.div_ceil(60),
        )
    }

    fn footnotes(&self) -> String {
        let mut text = "\nMedians of the repetitions. ÷ says how many times better: faster, more per second or \
             smaller; it is the median of the ratios within each repetition, with the range. \
             Disturbed repetitions count only where there are no others. \
             Others: the most that anything but server and load generator used of the CPU during a measurement, \
             the kernel's own threads included. \\* An echo with 1 connection, and a sync of the disk.\n"
            .to_string();
        if let Some(sync_us) = median(&self.sync_us) {
            let _ = writeln!(
                text,
                "\nThe disk makes an append of 4 KiB durable (`fdatasync`) in {sync_us:.0} µs."
            );
        }
        let timed = self
            .samples
            .iter()
            .filter(|sample| sample.others.is_some())
            .count();
        let disturbed = self
            .samples
            .iter()
            .filter(|sample| sample.others.is_some_and(|others| others > QUIET_SHARE));
        let limit = QUIET_SHARE * 100.0;
        let _ = writeln!(
            text,
            "\n{} of {timed} timed measurements were disturbed: others used more than {limit:.0} % of the CPU.",
            disturbed.count()
        );
        let mut errors: Vec<String> = Vec::new();
        for sample in &self.samples {
            if let Some(error) = &sample.error {
                errors.push(format!(
                    "* {}, {}, repetition {}: {error}",
                    sample.row,
                    sample.server.name(),
                    sample.repetition + 1
                ));
            }
        }
        if !errors.is_empty() {
            let _ = writeln!(
                text,
                "\nInvalid, because answers were wrong or missing:\n\n{}",
                errors.join("\n")
            );
        }
        text
    }

    fn value_cell(&self, row: &Row, kind: Kind) -> String {
        if kind == Kind::Ceiling && row.ceiling == Ceiling::EchoPlusSync {
            return self.echo_plus_sync().map_or("–".to_string(), |value| {
                format!("{} \\*", row.unit.show(value))
            });
        }
        let mut of_row = self.samples.iter();
        if of_row.any(|it| (it.row, it.server) == (row.name, kind) && it.error.is_some()) {
            return "invalid".to_string();
        }
        let repetitions = 0..self.repetitions;
        let readings = repetitions.filter_map(|it| self.reading(row, kind, it));
        let (values, _) = undisturbed(readings.collect());
        median(&values).map_or("–".to_string(), |value| row.unit.show(value))
    }

    fn ratio_cell(&self, row: &Row, other: Kind) -> String {
        let (ratios, _) = self.ratios(row, other);
        match (median(&ratios), range(&ratios)) {
            (Some(middle), Some((least, greatest))) if ratios.len() > 1 => {
                format!("{}× ({}–{})", times(middle), times(least), times(greatest))
            }
            (Some(middle), _) => format!("{}×", times(middle)),
            _ => "–".to_string(),
        }
    }

    fn aim_cell(&self, row: &Row) -> String {
        let Some(aim_times) = row.aim(self.language) else {
            return "–".to_string();
        };
        let aim = times(aim_times);
        let (ratios, quiet) = self.ratios(row, Kind::Workerd);
        match median(&ratios) {
            None => format!("{aim}×"),
            Some(_) if !quiet => format!("{aim}×, disturbed"),
            Some(ratio) if ratio >= aim_times => format!("{aim}×, met"),
            Some(_) => format!("{aim}×, missed"),
        }
    }

    fn others_cell(&self, row: &Row) -> String {
        let shares: Vec<f64> = self
            .samples
            .iter()
            .filter(|sample| sample.row == row.name)
            .filter_map(|sample| sample.others)
            .collect();
        range(&shares).map_or("–".to_string(), |(_, most)| {
            format!("{:.0} %", most * 100.0)
        })
    }

    /// How many times better than the other Abide was, repetition by repetition,
    /// and whether that was undisturbed.
    fn ratios(&self, row: &Row, other: Kind) -> (Vec<f64>, bool) {
        let ratio = |repetition| {
            let ours = self.reading(row, Kind::Abide, repetition)?;
            let theirs = self.reading(row, other, repetition)?;
            Some(Reading {
                value: row.unit.times_better(ours.value, theirs.value),
                quiet: ours.quiet && theirs.quiet,
            })
        };
        undisturbed((0..self.repetitions).filter_map(ratio).collect())
    }

    fn reading(&self, row: &Row, kind: Kind, repetition: u32) -> Option<Reading> {
        if kind == Kind::Ceiling && row.ceiling == Ceiling::EchoPlusSync {
            let value = self.echo_plus_sync()?;
            return Some(Reading { value, quiet: true });
        }
        let wanted = (row.name, kind, repetition);
        let mut samples = self.samples.iter();
        let sample = samples.find(|it| (it.row, it.server, it.repetition) == wanted)?;
        Some(Reading {
            value: sample.value?,
            quiet: sample.others.is_none_or(|others| others <= QUIET_SHARE),
        })
    }

    /// What a durable answer costs at least: the bare server's answer and a sync.
    fn echo_plus_sync(&self) -> Option<f64> {
        let echoes = self
            .samples
            .iter()
            .filter(|sample| sample.row == ECHO_ALONE && sample.server == Kind::Ceiling);
        let echoes: Vec<f64> = echoes.filter_map(|sample| sample.value).collect();
        Some(median(&echoes)? + median(&self.sync_us)?)
    }
}

/// A figure of one repetition.
struct Reading {
    value: f64,
    quiet: bool,
}

/// The values that nobody disturbed, or all if there are none; and which it is.
fn undisturbed(readings: Vec<Reading>) -> (Vec<f64>, bool) {
    let quiet = readings.iter().any(|reading| reading.quiet);
    let used = readings.into_iter().filter(|it| it.quiet == quiet);
    (used.map(|reading| reading.value).collect(), quiet)
}

fn times(ratio: f64) -> String {
    if ratio >= 9.95 {
        return format!("{ratio:.0}");
    }
    let text = format!("{ratio:.1}");
    if ratio < 1.0 {
        format!("{ratio:.2}")
    } else {
        text.trim_end_matches(".0").to_string()
    }
}

#[cfg(test)]
mod tests {
    //! The table is what is believed.
    use super::*;
    use crate::rows::ROWS;

    fn report(values: &[(&'static str, Kind, u32, f64)]) -> Report {
        let sample = |(row, server, repetition, value): &(&'static str, Kind, u32, f64)| Sample {
            row,
            server: *server,
            repetition: *repetition,
            value: Some(*value),
            error: None,
            answers: 1,
            p99_us: None,
            others: Some(0.02),
            server_cpu_us_per_answer: None,
            generator_cpu_us_per_answer: None,
        };
        Report {
            machine: crate::machine::describe(std::path::Path::new("/")),
            language: Language::Rust,
            versions: BTreeMap::new(),
            repetitions: 3,
            loop_s: 2.0,
            took_s: 61,
            sync_us: vec![130.0],
            load_after: String::new(),
            samples: values.iter().map(sample).collect(),
        }
    }

    fn row(name: &str) -> &'static Row {
        ROWS.iter().find(|row| row.name == name).unwrap()
    }

    #[test]
    fn ratios_are_taken_within_a_repetition() {
        let report = report(&[
            ("echo-c1", Kind::Abide, 0, 50.0),
            ("echo-c1", Kind::Workerd, 0, 200.0),
            ("echo-c1", Kind::Abide, 1, 100.0),
            ("echo-c1", Kind::Workerd, 1, 500.0),
            ("echo-c1", Kind::Abide, 2, 100.0),
        ]);
        assert_eq!(report.ratios(row("echo-c1"), Kind::Workerd).0, [4.0, 5.0]);
        assert_eq!(
            report.ratio_cell(row("echo-c1"), Kind::Workerd),
            "4.5× (4–5)"
        );
        assert_eq!(report.aim_cell(row("echo-c1")), "4×, met");
        assert_eq!(report.ratio_cell(row("echo-c1"), Kind::Ceiling), "–");
    }

    #[test]
    fn disturbed_repetitions_count_only_when_there_are_no_others() {
        let mut report = report(&[
            ("echo-c1", Kind::Abide, 0, 50.0),
            ("echo-c1", Kind::Workerd, 0, 200.0),
            ("echo-c1", Kind::Abide, 1, 100.0),
            ("echo-c1", Kind::Workerd, 1, 900.0),
        ]);
        report.samples[3].others = Some(0.5);
        assert_eq!(report.value_cell(row("echo-c1"), Kind::Workerd), "200 µs");
        assert_eq!(report.ratio_cell(row("echo-c1"), Kind::Workerd), "4×");
        report.samples[0].others = Some(0.5);
        assert_eq!(report.aim_cell(row("echo-c1")), "4×, disturbed");
    }

    #[test]
    fn a_durable_answer_is_compared_with_an_echo_and_a_sync() {
        let report = report(&[
            ("echo-c1", Kind::Ceiling, 0, 60.0),
            ("write-c1", Kind::Abide, 0, 380.0),
        ]);
        assert_eq!(
            report.value_cell(row("write-c1"), Kind::Ceiling),
            "190 µs \\*"
        );
        assert_eq!(report.ratio_cell(row("write-c1"), Kind::Ceiling), "0.50×");
    }

    #[test]
    fn a_wrong_answer_makes_the_row_invalid() {
        let mut report = report(&[
            ("echo-c1", Kind::Abide, 0, 50.0),
            ("echo-c1", Kind::Abide, 1, 50.0),
        ]);
        report.samples[1].error = Some("500".to_string());
        report.samples[1].value = None;
        assert_eq!(report.value_cell(row("echo-c1"), Kind::Abide), "invalid");
        assert_eq!(report.invalid(), 1);
        assert!(
            report
                .footnotes()
                .contains("* echo-c1, Abide, repetition 2: 500")
        );
    }

    #[test]
    fn a_table_has_one_line_per_figure() {
        let rows: Vec<&Row> = ROWS.iter().collect();
        let text = report(&[]).markdown(&rows, &[Kind::Abide, Kind::Workerd]);
        assert_eq!(
            text.lines().filter(|line| line.starts_with('|')).count(),
            ROWS.len() + 2
        );
        let columns = |line: &str| line.matches('|').count();
        let mut lines = text.lines().filter(|line| line.starts_with('|'));
        let first = columns(lines.next().unwrap());
        assert!(lines.all(|line| columns(line) == first), "{text}");
    }
}
