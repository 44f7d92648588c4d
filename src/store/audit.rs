//! The rows of `audit_logs` that accompany an insert or an update, in the form that Coder writes.

use uuid::Uuid;

/// Audit rows for the rows of another part of the statement. All fields except the names are SQL expressions over that
/// part's columns.
pub struct AuditRows<'a> {
    /// The name of the part with these audit rows.
    pub part: &'a str,
    /// The part whose rows they describe.
    pub from: &'a str,
    pub resource_type: &'a str,
    pub action: &'a str,
    pub id: &'a str,
    pub target: &'a str,
    pub diff: &'a str,
    pub additional_fields: &'a str,
}

/// For an entry without additional fields.
pub const NO_FIELDS: &str = "'{}'";

impl AuditRows<'_> {
    /// Each column with its value.
    fn columns(&self) -> [(&'static str, String); 13] {
        let literal = |text: &str| format!("'{text}'");
        let nil = literal(&Uuid::nil().to_string());
        [
            ("id", "gen_random_uuid()".to_owned()),
            ("time", "clock_timestamp()".to_owned()),
            ("user_id", nil.clone()),
            ("organization_id", nil.clone()),
            ("resource_type", literal(self.resource_type)),
            ("resource_id", self.id.to_owned()),
            ("resource_target", self.target.to_owned()),
            ("action", literal(self.action)),
            ("diff", self.diff.to_owned()),
            ("status_code", "0".to_owned()),
            ("additional_fields", self.additional_fields.to_owned()),
            ("request_id", nil),
            ("resource_icon", literal("")),
        ]
    }

    /// `part as (insert …)`
    pub fn statement(&self) -> String {
        let (names, values): (Vec<&str>, Vec<String>) = self.columns().into_iter().unzip();
        format!(
            "{} as (
               insert into audit_logs ({})
               select {}
                 from {} returning 1)",
            self.part,
            names.join(", "),
            values.join(", "),
            self.from
        )
    }
}

/// For a created key, without the columns that Coder's own table of audited fields leaves out. Concatenated as text:
/// there may be thousands, and `jsonb_build_object` takes twice as long. `id` and `provider_id` are UUIDs.
pub const NEW_KEY_DIFF: &str = r#"('{"id":{"old":"","new":"' || id || '","secret":false},
    "provider_id":{"old":"","new":"' || provider_id || '","secret":false},
    "api_key":{"old":"","new":"","secret":true}}')::jsonb"#;

/// For a deleted key.
pub const OLD_KEY_DIFF: &str = r#"('{"id":{"old":"' || id || '","new":"","secret":false},
    "provider_id":{"old":"' || provider_id || '","new":"","secret":false},
    "api_key":{"old":"","new":"","secret":true}}')::jsonb"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::insert::AUDIT_COLUMNS;

    /// The plan checks the grants for its own list.
    #[test]
    fn columns_are_those_that_the_plan_checks() {
        let empty = AuditRows {
            part: "",
            from: "",
            resource_type: "",
            action: "",
            id: "",
            target: "",
            diff: "",
            additional_fields: "",
        };
        assert_eq!(empty.columns().map(|(name, _)| name), AUDIT_COLUMNS);
    }
}
