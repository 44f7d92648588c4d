//! The controller's writes with `ai_provider_sync` of deploy/postgres/role.sql: that role's grants are sufficient, and
//! the report of a write names a missing one.

use super::carry::{environment, has_keys, owned, rotate};
use super::settling::resource;
use crate::support::controller::{Controller, check_now, condition, conditions, deployment, message, reason};
use crate::support::kubernetes::eventually;
use crate::support::resolution::{URL, database, openai};
use crate::support::roles::{RESOLVE, SEED};
use crate::support::{Cluster, Snapshot};
use serde_json::json;

const ROLE: &str = "carry_sync_member";

#[test]
fn sync_role_carries_and_a_missing_grant_is_named() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, database) = (cluster.namespace(), database(&openai(URL, &["sk-canary-old"])));
    database.grant_roles();
    database.execute(&format!("create role {ROLE} login in role {SEED}, {RESOLVE}"));
    let apply = |more: &[(&str, &str)]| {
        let mut env = environment(&database, "coder-keys", URL);
        env[0]["value"] = json!(database.url_as(ROLE, ""));
        let more = more.iter().map(|(name, value)| json!({"name": name, "value": value}));
        env.as_array_mut().unwrap().extend(more);
        namespace.apply(&deployment("coder", &env, &["seed"]).to_string());
    };
    rotate(&namespace, "coder", "sk-canary-old");
    apply(&[]);
    resource(&namespace, "coder", owned());
    let controller = Controller::writing(&namespace);
    reason(&namespace, "coder", "InSync");
    rotate(&namespace, "coder", "sk-canary-new");
    has_keys(&database, &["sk-canary-new"]);

    for grant in
        ["update on ai_providers", "delete on ai_provider_keys", "insert on ai_provider_keys", "insert on audit_logs"]
    {
        reason(&namespace, "coder", "InSync");
        database.execute(&format!("revoke {grant} from {SEED}, {RESOLVE}"));
        let before = Snapshot::of(&database);
        let next = format!("sk-canary-{}", grant.replace(' ', "-"));
        rotate(&namespace, "coder", &next);
        let status = eventually("the grant is named", || {
            let status = condition(&namespace, "coder", "Seeded", "SeedFailed");
            message(&status, "Seeded").contains(&format!("grant {grant} to {ROLE}")).then_some(status)
        });
        assert_eq!(conditions(&status)[..2], ["Ready=True WouldUpdate", "InSync=False WouldUpdate"]);
        assert_eq!(Snapshot::of(&database).changes_since(&before), [""; 0]);
        database.run_role_sql("select");
        check_now(&namespace, "coder");
        has_keys(&database, &[&next]);
    }
    // Rotated keys need no right to add rows; missing rows do.
    reason(&namespace, "coder", "InSync");
    database.execute(&format!("revoke insert on ai_providers from {SEED}"));
    rotate(&namespace, "coder", "sk-canary-last");
    has_keys(&database, &["sk-canary-last"]);
    reason(&namespace, "coder", "InSync");
    apply(&[
        ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "anthropic"),
        ("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://api.anthropic.com/"),
        ("CODER_AIBRIDGE_PROVIDER_1_KEYS", "sk-canary-other"),
    ]);
    let status = condition(&namespace, "coder", "Seeded", "SeedFailed");
    assert!(message(&status, "Seeded").contains(&format!("grant insert on ai_providers to {ROLE}")), "{status:?}");
    controller.stop().expect(0);
    database.execute(&format!("drop role {ROLE}"));
}
