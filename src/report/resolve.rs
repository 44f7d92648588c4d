//! The result of `resolve`: what it did, would do, or could not do.

use std::fmt::Write;

use serde::Serialize;

use super::json::{Document, document};
use super::layout::{Style, paragraph, with_remark};
use super::model::Report;
use super::sentence::{minute, origin, problem_sentence, value};
use super::take_database;
use super::terminal::text;
use super::termination::{LIMIT, termination_message};
use crate::explain::pointer;
use crate::options::resolve::Action;
use crate::plan::resolve::Resolution;
use crate::plan::{Conflict, Field, VariableEdit};
use crate::problem::{Code, Outcome, Problem};
use crate::provider::redact::{count, fit_bytes, provider as shown_name};

/// A finished `resolve` in a form that may be shown.
pub struct ResolveReport {
    /// Its conflicts are the remaining ones.
    pub report: Report,
    action: Action,
    dry_run: bool,
    /// The given names.
    selected: Vec<String>,
    /// The operator did not answer yes.
    declined: bool,
    /// Changes made to the database, or changes that would be made.
    changes: Vec<RowChange>,
    /// Changes to make to the environment.
    edits: Vec<VariableEdit>,
}

#[derive(Clone, Serialize)]
struct RowChange {
    provider: String,
    /// `update` or `restore`.
    action: &'static str,
    fields: Vec<Field>,
    #[serde(skip)]
    conflicts: Vec<Conflict>,
    /// Stored credentials that stay.
    #[serde(skip)]
    kept: Vec<Conflict>,
}

impl ResolveReport {
    pub fn new(
        mut report: Report,
        action: Action,
        dry_run: bool,
        resolution: Option<&Resolution>,
        edits: Vec<VariableEdit>,
    ) -> ResolveReport {
        let failed = report.outcome != Outcome::Ok;
        let of = |conflicts: Option<&Vec<Conflict>>, name: &str| {
            conflicts.into_iter().flatten().filter(|conflict| conflict.provider == name).cloned().collect::<Vec<_>>()
        };
        let updates = resolution.map(|r| &r.updates[..]).unwrap_or_default().iter().filter(|_| !failed);
        let changes = updates.map(|update| RowChange {
            provider: update.name.clone(),
            action: if update.restore { "restore" } else { "update" },
            fields: update.fields.clone(),
            conflicts: of(resolution.map(|r| &r.conflicts), &update.name),
            kept: of(resolution.map(|r| &r.kept), &update.name),
        });
        let changes: Vec<RowChange> = changes.collect();
        let edits = if failed { Vec::new() } else { edits };
        if let Some(resolution) = resolution.filter(|_| failed && !report.conflicts.is_empty()) {
            report.conflicts.retain(|c| resolution.conflicts.iter().any(|shown| shown.provider == c.provider));
        }
        report.blocked = failed;
        let selected = resolution.map(|r| r.selected.iter().map(|name| shown_name(name)).collect()).unwrap_or_default();
        ResolveReport { report, action, dry_run, selected, declined: false, changes, edits }
    }

    /// The answer was not `yes`: nothing was written, and the conflicts remain.
    pub fn decline(mut self) -> ResolveReport {
        self.declined = true;
        self.dry_run = false;
        self.changes.clear();
        if !self.report.conflicts.is_empty() {
            (self.report.outcome, self.report.blocked) = (Outcome::Conflict, true);
        }
        self
    }

    pub fn exit_code(&self) -> u8 {
        self.report.exit_code()
    }

    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            document: Document<'a>,
            command: &'a str,
            dry_run: bool,
            changes: &'a [RowChange],
            environment: &'a [VariableEdit],
        }
        serde_json::to_string(&Whole {
            document: document(&self.report),
            command: self.report.command.as_str(),
            dry_run: self.dry_run,
            changes: &self.changes,
            environment: &self.edits,
        })
        .unwrap_or_default()
    }

    pub fn text(&self, style: Style) -> String {
        if self.declined {
            return paragraph(0, &self.headline(), style);
        }
        if self.report.outcome != Outcome::Ok {
            return text(&self.report, style);
        }
        let mut out = paragraph(0, &self.headline(), style);
        for change in &self.changes {
            self.change(&mut out, change, style);
        }
        if self.report.providers.iter().any(|provider| provider.external_id.is_some()) {
            out.push('\n');
            super::terminal::external_ids(&mut out, &self.report);
        }
        if !self.edits.is_empty() {
            take_database::text(&mut out, &self.edits);
        }
        let warnings: Vec<Problem> = self.warnings().cloned().collect();
        if !warnings.is_empty() {
            let _ = writeln!(out, "\n{}", style.paint("33", &count(warnings.len(), "warning")));
            super::terminal::problems(&mut out, &warnings, style);
        }
        self.rest(&mut out, style);
        super::terminal::source(&mut out, &self.report, style);
        out
    }

    fn headline(&self) -> String {
        let providers = count(self.changes.len(), "provider");
        let done = if self.report.written { "brought back" } else { "would bring back" };
        match (self.action, self.changes.len()) {
            _ if self.declined => "nothing was changed".to_owned(),
            (Action::TakeDatabase, _) if self.edits.is_empty() => self.nothing(),
            (Action::TakeDatabase, _) => {
                format!("nothing was changed; this makes the environment agree{}", take_database::except(&self.edits))
            }
            (_, 0) => self.nothing(),
            (Action::Restore, _) => format!("{done} {providers}"),
            _ if self.report.written => format!("changed {providers} in the database; Coder was notified"),
            _ => format!("would change {providers} in the database"),
        }
    }

    /// Warnings about a named id and about a written URL. Other warnings belong to `seed` and `diff`.
    fn warnings(&self) -> impl Iterator<Item = &Problem> {
        // Warnings about written values that the environment raised.
        let is_of = |warning: &Problem, fields: &[Field]| {
            let changes = self.changes.iter().filter(|change| warning.provider.as_ref() == Some(&change.provider));
            changes.flat_map(|change| &change.fields).any(|field| fields.is_empty() || fields.contains(field))
        };
        self.report.findings.warnings.iter().filter(move |warning| match warning.code {
            Code::ConflictMoved => true,
            Code::BaseUrlSuspicious => is_of(warning, &[Field::BaseUrl]),
            Code::KeySuspicious => is_of(warning, &[Field::ApiKeys, Field::BedrockCredentials]),
            Code::RegionSuspicious => is_of(warning, &[Field::BedrockRegion]),
            Code::UnexpandedReference => is_of(warning, &[]),
            _ => false,
        })
    }

    fn nothing(&self) -> String {
        match (&self.selected[..], self.action) {
            ([], _) => "nothing to do: no conflict is left".to_owned(),
            (names, Action::Restore) => format!("nothing to do: {} not deleted", is(names)),
            (_, _) if self.report.conflicts.is_empty() => "nothing to do: no conflict is left".to_owned(),
            (names, _) => format!("nothing to do for {}", names.join(", ")),
        }
    }

    fn change(&self, out: &mut String, change: &RowChange, style: Style) {
        let _ = writeln!(out, "\n  {}", style.strong(&change.provider));
        if change.action == "restore" {
            let _ = writeln!(out, "    deleted  from  true\n             to    false, and enabled again");
            return;
        }
        let shown = change.conflicts.iter().chain(&change.kept).map(|conflict| conflict.field.as_str().len());
        let width = shown.max().unwrap_or(0);
        for conflict in &change.conflicts {
            let field = conflict.field;
            let (old, new) = (value(field, &conflict.database), value(field, &conflict.environment));
            let values = old.chars().count().max(new.chars().count()).min(72);
            let since = minute(&conflict.updated_at);
            let label = format!("    {:<width$}  from  ", field.as_str());
            with_remark(out, &label, &old, values, &format!("since {since}"), style);
            let label = format!("    {:<width$}  to    ", "");
            with_remark(out, &label, &new, values, &format!("from {}", origin(&conflict.origin)), style);
            if conflict.differs_only_in_redacted_part() {
                let _ = writeln!(out, "    {:<width$}  the difference is in a part that is hidden", "");
            }
        }
        for kept in &change.kept {
            let stay = value(kept.field, &kept.database);
            let _ = writeln!(out, "    {:<width$}  stay  {stay}: the environment sets none", kept.field.as_str());
        }
    }

    /// The remaining conflicts, so that the next start is no surprise.
    fn rest(&self, out: &mut String, style: Style) {
        let before = self.dry_run || self.action == Action::TakeDatabase;
        let mut left = self.report.clone();
        // An operator who restores a provider did not ask about the others.
        left.conflicts.retain(|c| self.action != Action::Restore || self.selected.contains(&c.provider));
        if left.conflicts.is_empty() || before {
            return;
        }
        let _ = writeln!(out, "\n{}", style.paint("33", "still different"));
        super::terminal::conflicts(out, &left, style);
        let ids = left.conflict_ids().join(" ");
        out.push('\n');
        out.push_str(&paragraph(2, &format!("conflict {ids} · {}", pointer("conflict")), style));
    }

    pub fn termination_message(&self) -> String {
        if self.declined {
            return format!(
                "{}: {}. {}",
                self.report.outcome.as_str(),
                self.headline(),
                pointer(self.report.explained_by())
            );
        }
        if self.report.outcome != Outcome::Ok {
            return termination_message(&self.report);
        }
        let facts: Vec<String> = self.changes.iter().map(fact).collect();
        let facts = if facts.is_empty() { vec![self.headline()] } else { facts };
        let warnings = self.warnings().map(problem_sentence);
        let facts = facts.into_iter().chain(warnings).collect::<Vec<_>>().join("; ");
        let written = if self.report.written || self.changes.is_empty() { "" } else { ". Nothing was written" };
        fit_bytes("ok: ", &facts, &format!("{written}. {}", pointer(self.report.explained_by())), LIMIT)
    }
}

/// `openai is`, `aws, openai are`
fn is(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

fn fact(change: &RowChange) -> String {
    let field = |c: &Conflict| {
        format!("{} from {} to {}", c.field.as_str(), value(c.field, &c.database), value(c.field, &c.environment))
    };
    match change.action {
        "restore" => format!("{} brought back", change.provider),
        _ => {
            let kept = change.kept.iter().map(|c| format!("{} left as they are", c.field.as_str()));
            let facts: Vec<String> = change.conflicts.iter().map(field).chain(kept).collect();
            format!("{} {}", change.provider, facts.join(", "))
        }
    }
}
