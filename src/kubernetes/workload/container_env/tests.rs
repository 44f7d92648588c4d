use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::kubernetes::crd::reason::Reason;

pub fn objects() -> Objects {
    let mut objects = Objects::default();
    let secret = |pairs: &[(&str, &[u8])]| {
        let data: BTreeMap<String, Vec<u8>> =
            pairs.iter().map(|(key, value)| (key.to_string(), value.to_vec())).collect();
        Some(data)
    };
    objects.secrets.insert(
        "ai".into(),
        secret(&[("KEY", b"sk-1"), ("url", b"https://secret/"), ("bad", b"\xff"), ("1st", b"x"), ("..x", b"x")]),
    );
    objects.secrets.insert("gone".into(), None);
    let map = [("KEY", "from-map"), ("HOST", "db")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    objects.config_maps.insert("settings".into(), Some(map.into()));
    objects
}

/// `NAME=value (source)`, in the order of the names.
fn build(container: Json) -> Result<Vec<String>, CheckStopped> {
    let container: Container = serde_json::from_value(container).unwrap();
    let pod = Pod { namespace: "team-a", service_links: true };
    let environment = ContainerEnv::of(&container, pod, &objects())?;
    let line = |(name, value): (&String, &EnvValue)| match value {
        EnvValue::Text(text, source) => format!("{name}={text} ({source})"),
        EnvValue::NotUnicode(source) => format!("{name} not Unicode ({source})"),
        EnvValue::InPod(why) => format!("{name} in pod: {why}"),
        EnvValue::Elsewhere(why, _) => format!("{name} elsewhere: {why}"),
        EnvValue::TooLarge(bytes) => format!("{name} too large: {bytes}"),
    };
    Ok(environment.values.iter().map(line).collect())
}

#[test]
fn reference_that_stays_has_its_reason() {
    let mut objects = objects();
    objects.config_maps.insert("refs".into(), Some([("FROM".to_owned(), "$(A)".to_owned())].into()));
    let container = json!({"name": "c",
    "envFrom": [{"configMapRef": {"name": "refs"}}],
    "env": [
        {"name": "A", "value": "a"},
        {"name": "EARLIER", "value": "$(LATER)"},
        {"name": "LATER", "value": "b"},
        {"name": "NONE", "value": "x$(NOWHERE)"},
        {"name": "SECRET", "value": "$(sk-canary)"},
        {"name": "ITSELF", "value": "$(ITSELF)"},
        {"name": "ESCAPED", "value": "$$(A)"},
        {"name": "PUT", "value": "$(FROM)"},
        {"name": "VALUE_FROM", "valueFrom": {"configMapKeyRef": {"name": "refs", "key": "FROM"}}},
        {"name": "FINE", "value": "$(A)"},
    ]});
    let variables = of(container, &objects).variables().unwrap_or_else(|problem| panic!("{problem:?}"));
    let notes: Vec<String> = variables.iter().filter_map(|v| Some(format!("{}: {}", v.name, v.note()?))).collect();
    assert_eq!(
        notes,
        [
            "EARLIER: LATER is defined later in the list; move it before this one",
            "ESCAPED: \"$$\" keeps Kubernetes from replacing it; write one \"$\"",
            "FROM: values of envFrom are never expanded",
            "ITSELF: ITSELF refers to itself",
            "NONE: NOWHERE is not defined in this container",
            "PUT: an inserted value contains it, and is not expanded again",
            "SECRET: the name is not a variable of this container",
            "VALUE_FROM: values of valueFrom are never expanded",
        ]
    );
}

fn from_secret(name: &str, key: &str, optional: bool) -> Json {
    json!({"secretKeyRef": {"name": name, "key": key, "optional": optional}})
}

#[test]
fn env_from_in_order_with_prefix_then_env() {
    let built = build(json!({
        "name": "c",
        "envFrom": [
            {"secretRef": {"name": "ai"}},
            {"configMapRef": {"name": "settings"}},
            {"prefix": "P_", "secretRef": {"name": "ai"}},
            {"secretRef": {"name": "gone", "optional": true}},
            {"configMapRef": {"name": "never", "optional": true}},
        ],
        "env": [
            {"name": "HOST", "value": "first"},
            {"name": "HOST", "value": "second"},
            {"name": "EMPTY"},
        ],
    }));
    let expected = [
        "EMPTY= (container)",
        "HOST=second (container)",
        "KEY=from-map (ConfigMap settings, key KEY)",
        "P_..x=x (Secret ai, key ..x)",
        "P_1st=x (Secret ai, key 1st)",
        "P_KEY=sk-1 (Secret ai, key KEY)",
        "P_bad not Unicode (Secret ai, key bad)",
        "P_url=https://secret/ (Secret ai, key url)",
        "bad not Unicode (Secret ai, key bad)",
        "url=https://secret/ (Secret ai, key url)",
    ];
    assert_eq!(built.unwrap(), expected);
}

#[test]
fn missing_optional_reference_keeps_the_earlier_value() {
    let built = build(json!({"name": "c", "env": [
        {"name": "A", "value": "earlier"},
        {"name": "A", "valueFrom": from_secret("gone", "k", true)},
        {"name": "B", "valueFrom": from_secret("ai", "no-such-key", true)},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "HOST"}}},
    ]}));
    assert_eq!(built.unwrap(), ["A=earlier (container)", "C=db (ConfigMap settings, key HOST)"]);
}

#[test]
fn missing_references_are_named() {
    for (container, reason, text) in [
        (
            json!({"name": "c", "env": [{"name": "A", "valueFrom": from_secret("gone", "k", false)}]}),
            Reason::SecretNotFound,
            "Secret gone, which env A of container c needs, does not exist; create it, or correct the name",
        ),
        (
            json!({"name": "c", "env": [{"name": "A", "valueFrom": from_secret("ai", "k", false)}]}),
            Reason::SecretKeyMissing,
            "Secret ai has no key k, which env A of container c needs; add it, or correct the key",
        ),
        (
            json!({"name": "c", "envFrom": [{"configMapRef": {"name": "never"}}]}),
            Reason::ConfigMapNotFound,
            "ConfigMap never, which envFrom of container c needs, does not exist; create it, or correct the name",
        ),
        (
            json!({"name": "c", "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "k"}}}]}),
            Reason::ConfigMapKeyMissing,
            "ConfigMap settings has no key k, which env A of container c needs; add it, or correct the key",
        ),
    ] {
        assert_eq!(build(container).unwrap_err(), CheckStopped::new(reason, text));
    }
}

#[test]
fn pod_only_references_are_unknown() {
    let built = build(json!({"name": "c", "env": [
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "FILE", "valueFrom": {"fileKeyRef": {"path": "p", "key": "k", "volumeName": "v"}}},
        {"name": "SECRET", "valueFrom": from_secret("ai", "url", false)},
        {"name": "TAINTED", "value": "$(SECRET)v1?$(NAMESPACE)"},
        {"name": "TAINTED_TWICE", "value": "x$(TAINTED)"},
        {"name": "OF_POD", "value": "$(NAME)-x"},
        {"name": "SERVICE", "value": "http://$(REDIS_SERVICE_HOST)"},
        {"name": "LATER", "value": "$(LAST) $$(NAMESPACE)"},
        {"name": "LAST", "value": "$(NAMESPACE)"},
    ]}));
    let expected = [
        "CPU in pod: it comes from resourceFieldRef limits.cpu",
        "FILE in pod: it comes from a source that only the kubelet reads",
        "LAST=team-a (container)",
        "LATER=$(LAST) $(NAMESPACE) (container)",
        "NAME in pod: it comes from fieldRef metadata.name",
        "NAMESPACE=team-a (container)",
        "OF_POD in pod: it contains $(NAME)",
        "SECRET=https://secret/ (Secret ai, key url)",
        "SERVICE in pod: it contains $(REDIS_SERVICE_HOST), a variable of a Service",
        "TAINTED=https://secret/v1?team-a (Secret ai, key url)",
        "TAINTED_TWICE=xhttps://secret/v1?team-a (Secret ai, key url)",
    ];
    assert_eq!(built.unwrap(), expected);
}

fn of(container: Json, objects: &Objects) -> ContainerEnv {
    let container: Container = serde_json::from_value(container).unwrap();
    let pod = Pod { namespace: "team-a", service_links: true };
    ContainerEnv::of(&container, pod, objects).ok().unwrap()
}

fn too_large(environment: &ContainerEnv) -> Problem {
    environment.variables().err().unwrap()
}

/// The last value would have 2 TiB.
#[test]
fn thirty_one_doublings_are_named_and_never_built() {
    let mut env = vec![json!({"name": "V00", "value": "x".repeat(1000)})];
    env.extend((1..32).map(|n| {
        let half = format!("$(V{:02})", n - 1);
        json!({"name": format!("V{n:02}"), "value": format!("{half}{half}")})
    }));
    let environment = of(json!({"name": "c", "env": env}), &Objects::default());
    let problem = too_large(&environment);
    // 1,000 bytes doubled seven times are 128,000; doubled eight times, they exceed 131,072.
    assert_eq!(problem.variables, (8..16).map(|n| format!("V{n:02}")).collect::<Vec<_>>());
    assert!(
        problem.message.starts_with("24 variables are too large, the largest would have over 1 TiB"),
        "{problem:?}"
    );
    let held =
        environment.values.values().map(|value| if let EnvValue::Text(text, _) = value { text.capacity() } else { 0 });
    assert!(held.sum::<usize>() < 512 << 10);
    // A value that contains one of them is as large, and no size overflows.
    let mut deep = vec![json!({"name": "W000", "value": "x"})];
    deep.extend((1..200).map(|n| {
        let half = format!("$(W{:03})", n - 1);
        json!({"name": format!("W{n:03}"), "value": format!("{half}{half}")})
    }));
    let environment = of(json!({"name": "c", "env": deep}), &Objects::default());
    assert_eq!(too_large(&environment).code, crate::problem::Code::EnvironmentTooLarge);
}

/// Each variable alone could start, but not all together.
#[test]
fn sum_of_a_template_has_a_bound() {
    let entry = |n: usize| json!({"name": format!("V{n:02}"), "value": "x".repeat(100 << 10)});
    let fits: Vec<Json> = (0..20).map(entry).collect();
    assert!(of(json!({"name": "c", "env": fits}), &Objects::default()).variables().is_ok());
    let many: Vec<Json> = (0..60).map(entry).collect();
    let environment = of(json!({"name": "c", "env": many}), &Objects::default());
    assert!(too_large(&environment).message.contains("2097152 bytes in all"));
    assert!(environment.values.len() < 22, "{} were read", environment.values.len());
    // Replaced entries do not count.
    let replaced: Vec<Json> = (0..30).map(|_| entry(0)).collect();
    assert!(of(json!({"name": "c", "env": replaced}), &Objects::default()).variables().is_ok());
}

/// A small Deployment may name one large object thousands of times.
#[test]
fn object_named_ten_thousand_times_is_read_a_few_times() {
    let data: BTreeMap<String, Vec<u8>> = (0..10_000).map(|n| (format!("K{n:05}"), vec![b'x'; 80])).collect();
    let objects = Objects { secrets: [("big".to_owned(), Some(data))].into(), ..Objects::default() };
    for prefixes in [10_000, 1] {
        let from = |n: usize| json!({"prefix": format!("P{}", n % prefixes), "secretRef": {"name": "big"}});
        let from: Vec<Json> = (0..10_000).map(from).collect();
        let environment = of(json!({"name": "c", "envFrom": from}), &objects);
        assert_eq!(too_large(&environment).code, crate::problem::Code::EnvironmentTooLarge);
        assert!(environment.values.len() < 40_000 && environment.handled <= MAX_HANDLED + 200);
    }
}

#[test]
fn value_of_an_object_is_too_large_by_name() {
    let data = [("LONG".to_owned(), vec![b'x'; size::MAX_VARIABLE])].into();
    let objects = Objects { secrets: [("big".to_owned(), Some(data))].into(), ..Objects::default() };
    let key = json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "big", "key": "LONG"}}}]);
    for (container, name) in [
        (json!({"name": "c", "env": key}), "A"),
        (json!({"name": "c", "envFrom": [{"prefix": "P_", "secretRef": {"name": "big"}}]}), "P_LONG"),
    ] {
        assert_eq!(too_large(&of(container, &objects)).variables, [name]);
    }
}

proptest! {
    /// Compared with the kubelet's loop, written as plainly as possible.
    #[test]
    fn as_the_kubelet_does(entries in prop::collection::vec(("[ABC]", prop_oneof!["[AB$()]{0,8}", Just("\0map".to_owned())]), 0..8)) {
        let env: Vec<Json> = entries
            .iter()
            .map(|(name, value)| match value.as_str() {
                "\0map" => json!({"name": name, "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "HOST"}}}),
                value => json!({"name": name, "value": value}),
            })
            .collect();
        let container = serde_json::from_value(json!({"name": "c", "env": env})).unwrap();
        let pod = Pod { namespace: "team-a", service_links: true };
        let built = ContainerEnv::of(&container, pod, &objects()).ok().unwrap();
        let mut model: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &entries {
            let text = match value.as_str() {
                "\0map" => "db".to_owned(),
                value => pieces(value)
                    .map(|piece| match piece {
                        Piece::Literal(text) => text.to_owned(),
                        Piece::Reference(name) => model.get(name).cloned().unwrap_or_else(|| format!("$({name})")),
                    })
                    .collect(),
            };
            model.insert(name.clone(), text);
        }
        let built: BTreeMap<String, String> = built
            .variables()
            .unwrap()
            .iter()
            .map(|variable| (variable.name.clone(), variable.value().unwrap_or_default().to_owned()))
            .collect();
        prop_assert_eq!(built, model);
    }
}
