//! The cluster under test: kubectl, helm, namespaces that enforce `restricted`, and a Postgres that its pods reach.

use crate::support::{Database, Options, Server, Variant};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn host() -> String {
    std::env::var("E2E_HOST_ADDRESS").expect("E2E_HOST_ADDRESS: run this through make e2e")
}

/// The server that the pods use: passwords, and only on the address where they find this machine.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(own_server)
}

pub fn own_server() -> Server {
    let addresses = format!("127.0.0.1,{}", host());
    Server::start(Options::new().setting("listen_addresses", &addresses).hba("host all all 0.0.0.0/0 scram-sha-256"))
}

/// One namespace with what an installation of Coder has: the two Secrets and a database.
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
        let url = place.database.url().replace("127.0.0.1", &host());
        place.secret("coder-db-url", &[("url", &url)]);
        place.providers("https://api.openai.com/v1");
        place
    }

    /// One provider, in the ConfigMap and the Secret that the init container takes whole.
    pub fn providers(&self, base_url: &str) {
        self.apply(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: coder-ai-providers}}\ndata:\n  \
             CODER_AIBRIDGE_PROVIDER_0_TYPE: openai\n  CODER_AIBRIDGE_PROVIDER_0_BASE_URL: {base_url}\n"
        ));
        self.secret("coder-ai-providers", &[("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-e2e")]);
    }

    fn secret(&self, name: &str, pairs: &[(&str, &str)]) {
        let data: serde_json::Map<String, Value> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        let secret =
            serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        self.apply(&secret.to_string());
    }

    /// Coder's stand-in with deploy/coder/values.yaml. Helm's hooks have run when this returns.
    pub fn install(&self, more: &[&str]) -> String {
        let fixed =
            ["install", "coder", "tests/data/chart/coder", "--values", "deploy/coder/values.yaml", "--timeout", "4m"];
        self.helm(fixed.iter().chain(more))
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

    /// The definition, where no release of the chart brings it.
    pub fn definition(&self) {
        self.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "crds/aiproviderseeds.yaml"]);
        self.kubectl(["wait", "--for=condition=Established", "crd/aiproviderseeds.aiproviders.dev", "--timeout=30s"]);
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl(arguments.iter().chain(&["-o", "json"]));
        serde_json::from_str(&text).unwrap()
    }

    /// The pods of Coder's Deployment, the newest first.
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

    /// Waits for a pod whose init container has ended with this code, and returns its name.
    pub fn stopped_with(&self, code: i64) -> String {
        let found = until(120, &format!("an init container that ends with {code}"), || {
            self.pods().into_iter().find(|pod| exit_codes(pod).contains(&code))
        });
        found["metadata"]["name"].as_str().unwrap().to_owned()
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

/// How the init container ended, now and the time before.
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
        assert!(Instant::now() < deadline, "waited {seconds} s in vain for {what}");
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
