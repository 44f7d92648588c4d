//! The log on standard error.

use std::io::IsTerminal;
use std::time::Instant;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{Extensions, ExtensionsMut, LookupSpan, SpanData};

use super::terminal::has_colour;
use crate::options::LogFormat;
use crate::report::Report;

pub fn log_end(report: &Report, started: Instant) {
    tracing::info!(
        outcome = report.outcome.as_str(),
        written = report.written,
        providers = report.providers.len(),
        conflicts = report.conflicts.len(),
        problems = report.findings.problems.len(),
        warnings = report.findings.warnings.len(),
        database = report.database.as_deref().unwrap_or("not connected"),
        took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "{} ended",
        report.command.as_str()
    );
}

/// Libraries log only warnings: at lower levels they describe their own work and may print their input. `level`: `None`
/// means `info`, or, at a terminal, only messages that the report does not contain.
pub fn log_to_stderr(format: LogFormat, level: Option<tracing::Level>) {
    let default = match format {
        LogFormat::Text if std::io::stderr().is_terminal() => tracing::Level::ERROR,
        _ => tracing::Level::INFO,
    };
    let level = LevelFilter::from_level(level.unwrap_or(default));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        // A blocked standard error must not fail the run, and printing the error to it would panic.
        .log_internal_errors(false)
        .with_ansi(has_colour(&std::io::stderr()));
    let ours = targets(level);
    // The subscriber is set once per process; in a test that runs two commands, the first one stays.
    let _ = match format {
        LogFormat::Json => {
            tracing::subscriber::set_global_default(WithoutSpans.with(lines.json().flatten_event(true)).with(ours))
        }
        LogFormat::Text => tracing::subscriber::set_global_default(WithoutSpans.with(lines).with(ours)),
    };
}

/// Libraries log only warnings, and the Kubernetes client logs nothing: this program reports the results of its calls.
fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_target("ai_provider_seed", level)
        .with_targets(["kube_client", "kube_runtime"].map(|name| (name, LevelFilter::OFF)))
        .with_default(level.min(LevelFilter::WARN))
}

/// A log of events alone: this program has no spans, and those of libraries are below the level of a warning. The registry
/// of spans would take 32 KiB, which is a tenth of a short run's memory.
struct WithoutSpans;

impl Subscriber for WithoutSpans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl LookupSpan<'_> for WithoutSpans {
    type Data = NoSpan;

    fn span_data(&self, _: &Id) -> Option<NoSpan> {
        None
    }
}

enum NoSpan {}

impl SpanData<'_> for NoSpan {
    fn id(&self) -> Id {
        match *self {}
    }

    fn metadata(&self) -> &'static Metadata<'static> {
        match *self {}
    }

    fn parent(&self) -> Option<&Id> {
        match *self {}
    }

    fn extensions(&self) -> Extensions<'_> {
        match *self {}
    }

    fn extensions_mut(&self) -> ExtensionsMut<'_> {
        match *self {}
    }
}
