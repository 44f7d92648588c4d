//! Judges the values of an environment: those of each numbered provider and each effective older variable.

use super::check;
use super::indexed::{Fields, List, Suffix};
use super::judge::{key, reference, region};
use super::legacy::Legacy;
use super::named::Named;
use super::names::LEGACY;
use super::variable::Variable;
use crate::problem::{Code, Findings, Problem};
use crate::provider::redact;

/// The consequence of a suspicious value.
const STORED: &str = "Coder would store it as it is";

/// Judges all values of one indexed provider, even if it has other problems.
pub fn judge(fields: &Fields, findings: &mut Findings) {
    let mut judge = Judge { findings, label: &|problem| check::labelled(fields, problem.index(fields.index)) };
    fields.variables().for_each(|variable| judge.reference(variable));
    judge.each(&fields.keys, key::bearer);
    judge.each(&fields.access_keys, |id| key::access_key(id).map(key::Fault::Suspicious));
    judge.each(&fields.access_key_secrets, |secret| key::access_key_secret(secret).map(key::Fault::Suspicious));
    if let (Some(ids), Some(secrets)) = (fields.access_keys.variable(), fields.access_key_secrets.variable()) {
        let pairs = fields.access_keys.values.iter().zip(&fields.access_key_secrets.values);
        if pairs.clone().any(|(id, secret)| key::are_swapped(id, secret)) {
            judge.swapped(ids, secrets);
        }
    }
    if let Some(variable) = fields.variable(Suffix::BedrockRegion) {
        judge.region(variable);
    }
}

/// The same for the effective older variables.
pub fn judge_older(variables: &Named, findings: &mut Findings) {
    let of = |provider: &'static str| move |problem: Problem| problem.provider(provider);
    let (openai, anthropic) = (of("openai"), of("anthropic"));
    let older = Legacy::of(variables);
    let field = |name: &'static str| older.deciding(name);
    for (label, names) in [(&openai as &dyn Fn(Problem) -> Problem, &LEGACY[..2]), (&anthropic, &LEGACY[2..])] {
        let mut judge = Judge { findings, label };
        names.iter().filter_map(|name| field(name)).for_each(|variable| judge.reference(variable));
    }
    let mut judge = Judge { findings, label: &openai };
    judge.one(field("OPENAI_KEY"), key::bearer);
    let mut judge = Judge { findings, label: &anthropic };
    judge.one(field("ANTHROPIC_KEY"), key::bearer);
    let (id, secret) = (field("BEDROCK_ACCESS_KEY"), field("BEDROCK_ACCESS_KEY_SECRET"));
    judge.one(id, |id| key::access_key(id).map(key::Fault::Suspicious));
    judge.one(secret, |secret| key::access_key_secret(secret).map(key::Fault::Suspicious));
    if let (Some(id), Some(secret)) = (id, secret) {
        let (of_id, of_secret) = (id.value().unwrap_or_default(), secret.value().unwrap_or_default());
        if key::are_swapped(of_id, of_secret) {
            judge.swapped(id, secret);
        }
    }
    if let Some(variable) = field("BEDROCK_REGION") {
        judge.region(variable);
    }
}

struct Judge<'a> {
    findings: &'a mut Findings,
    /// Adds the name of the provider.
    label: &'a dyn Fn(Problem) -> Problem,
}

impl Judge<'_> {
    fn warn(&mut self, code: Code, message: String, variable: &Variable) {
        let problem = Problem::new(code, message).variable(redact::name(&variable.name));
        self.findings.warnings.push((self.label)(problem));
    }

    fn reference(&mut self, variable: &Variable) {
        let Some(found) = variable.value().and_then(reference::find) else { return };
        // The note of a pod template explains only Kubernetes references.
        let why = variable.note().filter(|_| found.form == reference::KUBERNETES_FORM).unwrap_or(found.advice);
        let message = format!("{} was not replaced by a value, and {STORED}: {why}", found.form);
        self.warn(Code::UnexpandedReference, message, variable);
    }

    fn region(&mut self, variable: &Variable) {
        let value = variable.value().unwrap_or_default();
        if let Some(what) = region::fault(value).filter(|_| reference::find(value).is_none()) {
            let message = format!("{what}; {STORED}, and AWS has no such region: write for example eu-central-1");
            self.warn(Code::RegionSuspicious, message, variable);
        }
    }

    fn each(&mut self, list: &List, judge: impl Fn(&str) -> Option<key::Fault>) {
        let Some(variable) = list.variable().filter(|_| !list.ambiguous) else { return };
        for (at, value) in list.values.iter().enumerate() {
            self.key(variable, (list.values.len() > 1).then_some(at), value, &judge);
        }
    }

    fn one(&mut self, variable: Option<&Variable>, judge: impl Fn(&str) -> Option<key::Fault>) {
        if let Some((variable, value)) = variable.and_then(|variable| Some((variable, variable.value()?))) {
            self.key(variable, None, value, &judge);
        }
    }

    /// `place`: the key's position in a list of several.
    fn key(
        &mut self,
        variable: &Variable,
        place: Option<usize>,
        value: &str,
        judge: &dyn Fn(&str) -> Option<key::Fault>,
    ) {
        let Some(fault) = judge(value) else { return };
        let which = place.map(|at| format!("the {} key: ", redact::ordinal(at + 1))).unwrap_or_default();
        match fault {
            key::Fault::Unusable(what) => {
                let message = format!("{which}{what}; store the key alone, as one line");
                let problem = Problem::new(Code::KeyUnusable, message).variable(redact::name(&variable.name));
                self.findings.problems.push((self.label)(problem));
            }
            // An unreplaced reference has a separate warning.
            key::Fault::Suspicious(what) if reference::find(value).is_none() => {
                let message = format!("{which}{what}; {STORED}, so set the key alone");
                self.warn(Code::KeySuspicious, message, variable);
            }
            key::Fault::Suspicious(_) => {}
        }
    }

    fn swapped(&mut self, id: &Variable, secret: &Variable) {
        let message =
            "access key id and secret seem to be swapped: the secret has the form of an id (AKIA…); swap them";
        let problem = Problem::new(Code::KeySuspicious, message);
        let problem = problem.variables([redact::name(&id.name), redact::name(&secret.name)]);
        self.findings.warnings.push((self.label)(problem));
    }
}
