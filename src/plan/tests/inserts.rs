//! Whether and how missing rows can be inserted. Only the needs of these rows can prevent it.

use std::collections::BTreeSet;

use super::*;

fn missing(desired: &[DesiredProvider], schema: Schema, options: &PlanOptions) -> Plan {
    plan(desired, &with(schema, Snapshot::default()), options)
}

fn copilot() -> Vec<DesiredProvider> {
    desired(&[("0_TYPE", "copilot"), ("0_BASE_URL", URL)])
}

#[test]
fn the_live_schema_decides_how() {
    let insert = missing(&openai(), schema(), &WRITE).insert.unwrap();
    let plain = Insert { providers: vec![0], bedrock_label: true, icon: false, audit: true, encrypt_with: None };
    assert_eq!(insert, plain);

    let mut icon_required = schema();
    icon_required.providers.columns.insert("icon".into(), Column { required: true, insertable: true });
    assert_eq!(missing(&openai(), icon_required, &WRITE).insert.unwrap(), Insert { icon: true, ..plain.clone() });
    assert!(!missing(&openai(), first_schema(), &WRITE).insert.unwrap().bedrock_label);

    let no_audit = Insert { audit: false, ..plain };
    let off = PlanOptions { audit: false, ..WRITE };
    assert_eq!(missing(&openai(), schema(), &off).insert.unwrap(), no_audit);
    assert_eq!(missing(&openai(), Schema { audit: None, ..schema() }, &WRITE).insert.unwrap(), no_audit);
    let mut one_label = schema();
    one_label.audit.as_mut().unwrap().key_label = false;
    assert_eq!(missing(&openai(), one_label, &WRITE).insert.unwrap(), no_audit);
}

#[test]
fn columns() {
    let mut lacks = schema();
    lacks.providers.columns.remove("settings");
    assert_eq!(codes(&missing(&openai(), lacks, &WRITE).findings.problems), [Code::SchemaUnsupported]);

    let mut asks = schema();
    asks.keys.columns.insert("weight".into(), Column { required: true, insertable: true });
    let plan = missing(&openai(), asks.clone(), &WRITE);
    assert_eq!(codes(&plan.findings.problems), [Code::SchemaUnsupported]);
    assert!(plan.findings.problems[0].message.contains("ai_provider_keys.weight") && plan.insert.is_none());
    // No key is inserted, so that table does not matter, nor does a new column with a default.
    assert!(missing(&copilot(), asks.clone(), &WRITE).insert.is_some());
    asks.keys.columns.insert("weight".into(), Column { required: false, insertable: true });
    assert!(missing(&openai(), asks, &WRITE).insert.is_some());

    let mut audit = schema();
    audit.audit.as_mut().unwrap().table.columns.insert("new".into(), Column { required: true, insertable: true });
    let plan = missing(&openai(), audit.clone(), &WRITE);
    assert!(plan.findings.problems[0].message.ends_with("or turn audit rows off with --audit=off"));
    assert!(missing(&openai(), audit, &PlanOptions { audit: false, ..WRITE }).insert.is_some());
}

#[test]
fn missing_grant_is_a_problem_or_a_warning_by_role() {
    let refuse = |table: fn(&mut Schema) -> &mut Table| {
        let mut schema = schema();
        table(&mut schema).columns.values_mut().for_each(|column| column.insertable = false);
        schema
    };
    type Of = fn(&mut Schema) -> &mut Table;
    let tables: [(&str, Of); 3] = [
        ("ai_providers", |schema| &mut schema.providers),
        ("ai_provider_keys", |schema| &mut schema.keys),
        ("audit_logs", |schema| &mut schema.audit.as_mut().unwrap().table),
    ];
    for (name, table) in tables {
        let plan = missing(&openai(), refuse(table), &WRITE);
        assert_eq!(codes(&plan.findings.problems), [Code::PermissionDenied]);
        let grant = format!("grant insert on {name} to seeder");
        assert!(plan.findings.problems[0].message.contains(&grant), "{}", plan.findings.problems[0].message);
        let plan = missing(&openai(), refuse(table), &READ);
        assert_eq!((codes(&plan.findings.warnings), plan.insert.is_some()), (vec![Code::CannotInsert], true));
    }
    assert!(missing(&copilot(), refuse(|schema| &mut schema.keys), &WRITE).insert.is_some());
    assert_eq!(
        codes(&missing(&openai(), Schema { read_only: true, ..schema() }, &WRITE).findings.problems),
        [Code::ReadOnly]
    );
    assert_eq!(
        codes(&missing(&openai(), Schema { read_only: true, ..schema() }, &READ).findings.warnings),
        [Code::CannotInsert]
    );
    // A role without any INSERT is meant to be a reader: the message names the read-only server but no grants.
    let mut reader = Schema { read_only: true, ..schema() };
    let Schema { providers, keys, audit, .. } = &mut reader;
    for table in [providers, keys, &mut audit.as_mut().unwrap().table] {
        table.columns.values_mut().for_each(|column| column.insertable = false);
    }
    let plan = missing(&openai(), reader.clone(), &WRITE);
    assert_eq!(codes(&plan.findings.problems), [Code::PermissionDenied, Code::ReadOnly]);
    let message = &plan.findings.problems[0].message;
    assert!(message.contains("connect as the role that seeds") && !message.contains("grant"), "{message}");
    let plan = missing(&openai(), reader, &READ);
    assert_eq!(codes(&plan.findings.warnings), [Code::CannotInsert]);
    assert!(plan.findings.warnings[0].message.contains("read only"), "{}", plan.findings.warnings[0].message);
    // With no missing row, none of this matters.
    let row = row("openai", URL, &["sk-one"]);
    let there =
        super::plan(&openai(), &with(refuse(|schema| &mut schema.providers), snapshot([("openai", row)])), &WRITE);
    assert!(there.findings.problems.is_empty() && there.findings.warnings.is_empty());
}

/// Which key encrypts, or why none does.
#[test]
fn encryption() {
    #[derive(Debug, PartialEq)]
    enum Is {
        Plain,
        With(&'static str),
        Pending,
        Problem(Code),
    }
    use Is::{Pending, Plain, Problem, With};
    let set = |digests: &[&str]| digests.iter().map(|digest| (*digest).to_owned()).collect::<BTreeSet<_>>();
    // active, revoked, usable, given
    for (active, revoked, usable, given, expected) in [
        (&[][..], &[][..], &[][..], &[][..], Plain),
        (&[], &["0000000"], &[], &[], Plain),
        (&["aaaaaaa"], &[], &[], &[], Problem(Code::EncryptionKeyRequired)),
        (&["aaaaaaa"], &[], &["aaaaaaa"], &["aaaaaaa"], With("aaaaaaa")),
        // The first given key is not registered yet; the second is in use.
        (&["bbbbbbb"], &[], &["bbbbbbb"], &["aaaaaaa", "bbbbbbb"], With("bbbbbbb")),
        (&["aaaaaaa", "bbbbbbb"], &[], &["bbbbbbb", "aaaaaaa"], &["bbbbbbb", "aaaaaaa"], With("bbbbbbb")),
        (&["aaaaaaa"], &[], &[], &["bbbbbbb"], Problem(Code::UnknownEncryptionKey)),
        // The digest exists, but the key does not open its row.
        (&["aaaaaaa"], &[], &[], &["aaaaaaa"], Problem(Code::UnknownEncryptionKey)),
        (&[], &[], &[], &["aaaaaaa"], Pending),
        (&["bbbbbbb"], &["aaaaaaa"], &["bbbbbbb"], &["aaaaaaa", "bbbbbbb"], Problem(Code::EncryptionKeyRevoked)),
        (&[], &["aaaaaaa"], &[], &["aaaaaaa"], Problem(Code::EncryptionKeyRevoked)),
        // A revoked key later in the list may still open old rows.
        (&["bbbbbbb"], &["aaaaaaa"], &["bbbbbbb"], &["bbbbbbb", "aaaaaaa"], With("bbbbbbb")),
    ] {
        let encryption = Encryption {
            active: set(active),
            revoked: set(revoked),
            usable: usable.iter().map(|digest| (*digest).to_owned()).collect(),
            first_given: given.first().map(|digest| (*digest).to_owned()),
        };
        let schema = Schema { encryption: Some(Ok(encryption)), ..schema() };
        let plan = missing(&openai(), schema.clone(), &PlanOptions { keys_given: !given.is_empty(), ..WRITE });
        let is = match (&plan.insert, plan.findings.problems.first(), plan.findings.warnings.first()) {
            (Some(Insert { encrypt_with: None, .. }), None, None) => Plain,
            (Some(Insert { encrypt_with: Some(digest), .. }), None, None) if digest == "aaaaaaa" => With("aaaaaaa"),
            (Some(Insert { encrypt_with: Some(_), .. }), None, None) => With("bbbbbbb"),
            (None, None, Some(warning)) if warning.code == Code::EncryptionPending => Pending,
            (None, Some(problem), None) => Problem(problem.code),
            other => panic!("{other:?}"),
        };
        assert_eq!(is, expected, "active {active:?}, revoked {revoked:?}, usable {usable:?}, given {given:?}");
        // With nothing to encrypt, none of this matters.
        let plan = missing(&copilot(), schema, &PlanOptions { keys_given: !given.is_empty(), ..WRITE });
        assert!(plan.insert.is_some_and(|insert| insert.encrypt_with.is_none()) && plan.findings.warnings.is_empty());
    }
    let refused = Schema { encryption: Some(Err(())), ..schema() };
    let plan = missing(&openai(), refused.clone(), &WRITE);
    assert_eq!(codes(&plan.findings.problems), [Code::PermissionDenied]);
    assert!(plan.findings.problems[0].message.contains("grant select on dbcrypt_keys to seeder"));
    assert!(missing(&copilot(), refused, &WRITE).insert.is_some());
}
