//! The optional fields of a provider, and the fields without which Coder cannot serve a Bedrock provider.

use std::collections::BTreeMap;

use super::Check;
use crate::env::endpoint::{bedrock_without_credentials, is_usual_icon, unresolved_model, without_models};
use crate::env::indexed::Suffix;
use crate::env::judge::characters;
use crate::problem::Code;
use crate::provider::{BedrockSettings, Field, MANTLE, SetField};

impl Check<'_, '_> {
    /// A variable that is set but empty counts as not set: charts render `""`.
    pub(super) fn optional(&mut self, is_bedrock: bool) -> BTreeMap<Field, SetField> {
        let fields = self.fields;
        let mut optional = BTreeMap::new();
        for field in Field::all_optional().filter(|field| is_bedrock || field.settings_key().is_none()) {
            let suffix = Suffix::Optional(field);
            match field.read(fields.text(suffix)) {
                Ok(None) => {}
                Ok(Some(text)) => _ = optional.insert(field, SetField { text, origin: self.origin(suffix) }),
                Err(what) => {
                    let odd = characters::oddity(fields.text(suffix)).map(|odd| format!("{odd}: ")).unwrap_or_default();
                    self.problem(Code::InvalidField, format!("{odd}{what}"), [fields.spelled(suffix)]);
                }
            }
        }
        let mantle = optional.get(&Field::BedrockProtocol).is_some_and(|set| set.text == MANTLE);
        if mantle && fields.text(Suffix::BedrockRegion).is_empty() {
            let protocol = fields.spelled(Suffix::Optional(Field::BedrockProtocol));
            let message = "mantle needs a region, which is never derived from the URL; set BEDROCK_REGION";
            self.problem(Code::InvalidField, message.to_owned(), [protocol, fields.spelled(Suffix::BedrockRegion)]);
        }
        if let Some(icon) = optional.get(&Field::Icon).filter(|icon| !is_usual_icon(&icon.text)) {
            let message = "neither a path such as /icon/openai.svg nor an http or https URL; Coder may show no icon";
            self.warning(Code::IconUnusual, message.to_owned(), &icon.origin.variable.clone());
        }
        optional
    }

    pub(super) fn bedrock_warnings(&mut self, settings: &BedrockSettings) {
        let fields = self.fields;
        if !settings.is_configured() && fields.access_keys.set_by.is_none() {
            self.warning(
                Code::BedrockWithoutCredentials,
                bedrock_without_credentials(),
                &fields.spelled(Suffix::BedrockBaseUrl),
            );
        }
        let models = [Field::BedrockModel, Field::BedrockSmallFastModel].into_iter();
        let missing = models.filter(|model| {
            fields.text(Suffix::Optional(*model)).is_empty() && !fields.unknown_optional.contains(model)
        });
        let missing = missing.map(|model| fields.spelled(Suffix::Optional(model)));
        if let Some(warning) = without_models(missing.map(|name| name.to_string()).collect()) {
            self.findings.warnings.push(self.with_provider(warning.index(fields.index)));
        }
        if settings.region.is_empty() && !settings.text("role_arn").is_empty() {
            let message = "a role without a region: Coder does not build this provider unless AWS_REGION is set there; set \
                           BEDROCK_REGION";
            let role = fields.spelled(Suffix::Optional(Field::BedrockRoleArn));
            self.warning(Code::BedrockRoleWithoutRegion, message.to_owned(), &role);
        }
        for model in [Field::BedrockModel, Field::BedrockSmallFastModel] {
            let suffix = Suffix::Optional(model);
            if let Some(message) = unresolved_model(fields.text(suffix)) {
                self.warning(Code::BedrockModelUnresolved, message, &fields.spelled(suffix));
            }
        }
    }
}
