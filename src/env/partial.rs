//! A partly unknown environment: manifests without the Secrets that they reference. Findings that follow only from a
//! missing part are withdrawn, so the remaining ones hold for any value of it.

use super::named::Named;
use super::names::{PREFIXES, upper};
use super::variable::Variable;
use super::{Environment, check, indexed};
use crate::problem::{Code, Findings, Problem};
use crate::provider::{DesiredProvider, Presence};

/// Codes that only report a missing variable.
const OF_ABSENCE: [Code; 9] = [
    Code::TypeRequired,
    Code::BedrockRequired,
    Code::BedrockWithoutModels,
    Code::BedrockRoleWithoutRegion,
    Code::CredentialCountMismatch,
    Code::IndexGap,
    Code::ProviderWithoutKeys,
    Code::NothingDesired,
    Code::BedrockWithoutCredentials,
];

impl Environment {
    /// Turns unknown values from problems into warnings, and withdraws findings that follow only from a missing variable.
    pub fn downgrade_unknown(&mut self, variables: &[Variable], missing: &[String]) {
        let (unknown, others) =
            std::mem::take(&mut self.findings.problems).into_iter().partition(|p| p.code == Code::EnvironmentUnknown);
        self.findings.problems = others;
        self.findings.warnings.extend::<Vec<_>>(unknown.into_iter().map(downgraded).collect());
        if missing.is_empty() {
            return;
        }
        let absent = |problem: &&Problem| matches!(problem.code, Code::TypeRequired | Code::BedrockRequired);
        let no_url = |provider: &&DesiredProvider| {
            let url = &provider.origins.base_url;
            provider.index.is_some() && provider.bedrock.is_none() && url.presence == Presence::Unset
        };
        let of_problems = self.findings.problems.iter().filter(absent).map(|problem| problem.index);
        let of_providers = self.providers.iter().filter(no_url).map(|provider| provider.index);
        let mut indexes: Vec<Option<u64>> = of_problems.chain(of_providers).filter(Option::is_some).collect();
        indexes.sort();
        indexes.dedup();
        let is_unknown = |index: Option<u64>| index.is_some() && indexes.contains(&index);
        // Reading the environment has already recorded their findings.
        let named = Named::of(variables);
        let none = &mut Findings::default();
        let groups =
            (0..PREFIXES.len()).map(|prefix| indexed::group(prefix, &indexed::sorted(prefix, &named, none), none));
        let groups: Vec<indexed::Fields> = groups.flatten().collect();
        let fields = groups.iter().filter(|fields| is_unknown(Some(fields.index)));
        self.unknown.extend(fields.map(check::unknown));
        self.providers.retain(|provider| !is_unknown(provider.index));
        self.findings.problems.retain(|problem| !OF_ABSENCE.contains(&problem.code));
        let stays = |warning: &Problem| {
            let of_url = warning.code == Code::BaseUrlSuspicious && is_unknown(warning.index);
            !(of_url || OF_ABSENCE.contains(&warning.code))
        };
        self.findings.warnings.retain(stays);
        for provider in &mut self.providers {
            let access_key = provider.bedrock.as_ref().and_then(|settings| settings.access_key.as_ref());
            provider.credentials_unknown |= provider.keys.is_empty() && access_key.is_none();
        }
        self.findings.warnings.extend(missing.iter().map(|object| {
            let message = format!(
                "{object}, is not among the manifests, so its variables are unknown; add it, or compare in the cluster"
            );
            Problem::new(Code::NotInManifests, message)
        }));
    }
}

/// Turns the problem of a variable without a known value into a warning about the consequence.
fn downgraded(problem: Problem) -> Problem {
    let name = problem.variables.first().map(|name| upper(name)).unwrap_or_default();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let (code, so) = if ends(&["KEY", "KEYS", "SECRET", "SECRETS"]) {
        (Code::CredentialsNotCompared, "so these credentials are not compared")
    } else if ends(&["_MODEL"]) {
        (Code::NotInManifests, "so this field is not compared")
    } else {
        (Code::NotInManifests, "so the provider cannot be compared")
    };
    Problem { code, message: format!("{}, {so}", problem.message), ..problem }
}
