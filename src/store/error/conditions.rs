//! Names that may be shown: those of Postgres conditions, and of the tables that this program uses.

/// Longer names come first, since one may be the beginning of another.
const TABLES: [&str; 6] =
    ["ai_provider_keys", "ai_providers", "audit_logs", "dbcrypt_keys", "schema_migrations", "resource_type"];

pub(super) fn known_table(name: &str) -> Option<&'static str> {
    TABLES.iter().find(|table| **table == name).copied()
}

pub(super) fn known_table_in(message: &str) -> Option<&'static str> {
    TABLES.iter().find(|table| message.contains(**table)).copied()
}

/// The columns that are read, with the alias of their table in the statements.
const READ: [(&str, &str, &[&str]); 3] = [
    (
        "p.",
        "ai_providers",
        &[
            "name",
            "id",
            "type",
            "deleted",
            "base_url",
            "settings",
            "settings_key_id",
            "updated_at",
            "display_name",
            "enabled",
        ],
    ),
    ("k.", "ai_provider_keys", &["provider_id", "api_key", "api_key_key_id", "created_at", "id"]),
    ("", "dbcrypt_keys", &["active_key_digest", "revoked_key_digest", "test"]),
];

/// `column p.base_url does not exist`, in any language: the column, if it is one of those above.
pub(super) fn known_column_in(message: &str) -> Option<String> {
    let mut words = message.split_whitespace().map(|word| word.trim_matches('"'));
    words.find_map(|word| {
        READ.iter().find_map(|(alias, table, columns)| {
            let column = word.strip_prefix(alias).filter(|column| columns.contains(column))?;
            Some(format!("{table}.{column}"))
        })
    })
}

const CONDITIONS: &[(&str, &str)] = &[
    ("0A000", "feature_not_supported"),
    ("22001", "string_data_right_truncation"),
    ("22021", "character_not_in_repertoire"),
    ("22023", "invalid_parameter_value"),
    ("22P02", "invalid_text_representation"),
    ("22P05", "untranslatable_character"),
    ("23502", "not_null_violation"),
    ("23503", "foreign_key_violation"),
    ("23505", "unique_violation"),
    ("23514", "check_violation"),
    ("25P02", "in_failed_sql_transaction"),
    ("3F000", "invalid_schema_name"),
    ("42601", "syntax_error"),
    ("42602", "invalid_name"),
    ("42704", "undefined_object"),
    ("42804", "datatype_mismatch"),
    ("42883", "undefined_function"),
    ("42P05", "duplicate_prepared_statement"),
    ("26000", "invalid_sql_statement_name"),
    ("53000", "insufficient_resources"),
    ("53100", "disk_full"),
    ("53200", "out_of_memory"),
    ("53400", "configuration_limit_exceeded"),
    ("54000", "program_limit_exceeded"),
    ("55000", "object_not_in_prerequisite_state"),
    ("55006", "object_in_use"),
    ("57014", "query_canceled"),
    ("57P04", "database_dropped"),
    ("57P05", "idle_session_timeout"),
    ("58000", "system_error"),
    ("58030", "io_error"),
    ("P0001", "raise_exception"),
    ("XX000", "internal_error"),
    ("XX001", "data_corrupted"),
    ("XX002", "index_corrupted"),
];

pub(super) fn name(state: &str) -> Option<&'static str> {
    CONDITIONS.iter().find(|(known, _)| *known == state).map(|(_, name)| *name)
}

pub(super) fn advice(state: &str) -> Option<&'static str> {
    Some(match state {
        "22023" | "42704" | "42602" => "check the parameters in the database URL (role, search_path, …)",
        "3F000" => "check search_path in the database URL",
        "53100" => "free space on the server's disk",
        "53200" => "give the server memory",
        "57014" => "see who canceled it, or in pg_locks what it waited for (a migration?), and run it again",
        "XX001" | "XX002" => "restore the database, or repair it",
        _ => return None,
    })
}
