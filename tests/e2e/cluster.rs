//! The cluster under test: kubectl, helm, namespaces that enforce `restricted`, and a Postgres that its pods reach.

use crate::support::{Database, Options, Server, Variant};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The address at which pods reach this machine.
pub fn host() -> String {
    std::env::var("E2E_HOST_ADDRESS").expect("E2E_HOST_ADDRESS: run this through make e2e")
}

fn seen_by_pods(url: &str) -> String {
    url.replace("127.0.0.1", &host())
}

/// The server that the pods use: with passwords, and only at the address where they reach this machine.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| own_server(&host()))
}

pub fn own_server(address: &str) -> Server {
    let addresses = format!("127.0.0.1,{address}");
    Server::start(Options::new().setting("listen_addresses", &addresses).hba("host all all 0.0.0.0/0 scram-sha-256"))
}

/// Whether the cluster had the kind before any test; tests/e2e/run sets this.
pub fn kind_is_there() -> bool {
    std::env::var_os("E2E_KIND_IS_THERE").is_some()
}

/// One namespace with the objects of a Coder installation: the two Secrets and a database.
pub struct Place {
    pub namespace: String,
    pub database: Database<'static>,
}

impl Place {
    pub fn new(name: &str, variant: Variant) -> Place {
        Place::on(server(), name, variant)
    }

    pub fn on(server: &'static Server, name: &str, variant: Variant) -> Place {
        let place = Place { namespace: format!("seed-e2e-{name}"), database: server.database(variant) };
        place.kubectl(["delete", "namespace", &place.namespace, "--ignore-not-found"]);
        place.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n  labels:\n    pod-security.kubernetes.io/enforce: restricted\n",
            place.namespace
        ));
        place.database_url("coder-db-url", &place.database.url());
        place.provider(0, "openai", "https://api.openai.com/v1");
        place
    }

    /// The database's URL for pods.
    pub fn pods_url(&self) -> String {
        seen_by_pods(&self.database.url())
    }

    pub fn database_url(&self, secret: &str, url: &str) {
        self.merge("Secret", secret, "stringData", json!({"url": seen_by_pods(url)}));
    }

    /// Adds a provider to the ConfigMap and the Secret that the init container reads whole; the others stay.
    pub fn provider(&self, number: usize, kind: &str, base_url: &str) {
        let variable = |field: &str| format!("CODER_AI_GATEWAY_PROVIDER_{number}_{field}");
        let open = json!({variable("TYPE"): kind, variable("BASE_URL"): base_url});
        self.merge("ConfigMap", "coder-ai-providers", "data", open);
        self.merge("Secret", "coder-ai-providers", "stringData", json!({variable("KEY"): "sk-e2e"}));
    }

    fn merge(&self, kind: &str, name: &str, field: &str, data: Value) {
        self.apply(&json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}).to_string());
        self.kubectl(["patch", kind, name, "--type=merge", "--patch", &json!({field: data}).to_string()]);
    }

    /// Installs Coder's stand-in with the values of deploy/coder. Helm's hooks have run when this returns.
    pub fn install(&self, more: &[&str]) -> String {
        let values = ["--values", "deploy/coder/values.yaml", "--values", "deploy/coder/more.yaml"];
        let fixed = ["install", "coder", "tests/data/chart/coder", "--timeout", "4m"];
        self.helm(fixed.iter().chain(&values).chain(more))
    }

    pub fn helm<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        run("helm", &self.namespace, arguments, "").unwrap()
    }

    pub fn kubectl<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        run("kubectl", &self.namespace, arguments, "").unwrap()
    }

    pub fn try_kubectl<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String, String> {
        run("kubectl", &self.namespace, arguments, "")
    }

    pub fn apply(&self, manifest: &str) {
        run("kubectl", &self.namespace, ["apply", "-f", "-"], manifest).unwrap();
    }

    /// Takes over these objects from any earlier field manager.
    pub fn apply_anew(&self, manifest: &str) {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        run("kubectl", &self.namespace, arguments, manifest).unwrap();
    }

    /// Installs the definition if no release of the chart does.
    pub fn definition(&self) {
        if kind_is_there() {
            return;
        }
        self.apply_anew(&std::fs::read_to_string("crds/aiproviderseeds.yaml").unwrap());
        self.kubectl(["wait", "--for=condition=Established", "crd/aiproviderseeds.aiproviders.dev", "--timeout=30s"]);
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl(arguments.iter().chain(&["-o", "json"]));
        serde_json::from_str(&text).unwrap()
    }

    /// The pods of Coder's Deployment, newest first.
    pub fn pods(&self) -> Vec<Value> {
        let list =
            self.json(&["get", "pods", "-l", "app.kubernetes.io/name=coder", "--sort-by=.metadata.creationTimestamp"]);
        let mut pods = list["items"].as_array().unwrap().clone();
        pods.reverse();
        pods
    }

    pub fn rollout(&self) {
        self.kubectl(["rollout", "status", "deployment/coder", "--timeout=3m"]);
    }

    /// Creates a Job and waits for its end: `Complete` or `Failed`.
    pub fn run_job(&self, manifest: &str) -> Value {
        let name = run("kubectl", &self.namespace, ["create", "-f", "-", "-o", "name"], manifest).unwrap();
        self.ended(name.trim())
    }

    fn ended(&self, job: &str) -> Value {
        until(120, "the Job to end", || {
            let conditions = self.json(&["get", job])["status"]["conditions"].clone();
            let types = conditions.as_array()?.iter().map(|condition| condition["type"].clone());
            types.into_iter().find(|kind| kind == "Failed" || kind == "Complete")
        })
    }

    /// Waits for a pod whose init container has ended with this code, and returns its name.
    pub fn stopped_with(&self, code: i64) -> String {
        let found = until(120, &format!("an init container that ends with {code}"), || {
            self.pods().into_iter().find(|pod| exit_codes(pod).contains(&code))
        });
        found["metadata"]["name"].as_str().unwrap().to_owned()
    }

    /// The init container's message for `kubectl describe pod`, from its current or its last run.
    pub fn message_of(&self, pod: &str) -> String {
        let status = self.json(&["get", "pod", pod])["status"]["initContainerStatuses"][0].clone();
        let message = ["state", "lastState"].iter().find_map(|state| status[state]["terminated"]["message"].as_str());
        message.unwrap_or_else(|| panic!("no message in {status}")).to_owned()
    }

    pub fn base_urls(&self) -> Vec<String> {
        let mut client = self.database.client();
        let rows = client.query("select name || ' ' || base_url from ai_providers where not deleted order by 1", &[]);
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.try_kubectl(["describe", "pods"]).unwrap_or_default());
            let _ = writeln!(std::io::stderr(), "{}", self.try_kubectl(["get", "events"]).unwrap_or_default());
        }
        let _ = self.try_kubectl(["delete", "namespace", &self.namespace, "--wait=false"]);
    }
}

/// The exit codes of the init container, of its current and its last run.
fn exit_codes(pod: &Value) -> Vec<i64> {
    let status = &pod["status"]["initContainerStatuses"][0];
    let code = |state: &str| status[state]["terminated"]["exitCode"].as_i64();
    [code("state"), code("lastState")].into_iter().flatten().collect()
}

pub fn until<T>(seconds: u64, what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {seconds} s for {what}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn run<S: AsRef<OsStr>>(
    program: &str,
    namespace: &str,
    arguments: impl IntoIterator<Item = S>,
    input: &str,
) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(["--namespace", namespace]).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start the program");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{program}: {}{}", text(&output.stdout), text(&output.stderr))),
    }
}
