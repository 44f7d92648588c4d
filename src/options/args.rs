//! The command line as clap sees it. What the texts mean is decided in `options`, by the same code for a flag, a variable and
//! the options of a pod that the controller looks at.

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "ai-provider-seed",
    version,
    about = "Brings the AI providers of a Coder environment and its Postgres database together",
    after_help = "Every option is also a variable: --lock-timeout is AI_PROVIDER_SEED_LOCK_TIMEOUT. A flag beats its variable.\n\
                  Exit codes: 0 ok, 1 changes (diff only), 2 invalid, 3 conflict, 4 unavailable, 5 unusable, 6 locked, 70 internal.",
    disable_help_subcommand = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Reconcile the environment into Postgres (init container)
    Seed(Texts),
    /// Say what a seed would do, without writing
    Diff(DiffTexts),
    /// Settle a conflict: change the row to what the environment says, or say how to change the environment
    #[command(mut_args(without(&["block_on", "if_schema_missing"])))]
    Resolve(ResolveTexts),
    /// Print the providers of the database as environment variables or manifests
    #[command(mut_args(without(OF_A_SEED)))]
    Export(ExportTexts),
    /// Watch AIProviderSeed resources and say in their status whether the next start would go ahead; with --allow-writes, settle and seed
    #[cfg(feature = "controller")]
    Controller(ControllerTexts),
    /// Print the CustomResourceDefinition of AIProviderSeed as YAML
    #[cfg(feature = "controller")]
    Crd,
}

/// What says nothing to a command that only reads the database.
const OF_A_SEED: &[&str] = &[
    "lock_timeout",
    "compare_credentials",
    "block_on",
    "strict",
    "require_providers",
    "if_schema_missing",
    "audit",
    "env_file",
];

/// Taken all the same, since a Job has the options of its init container, but not part of the help.
fn without(names: &'static [&'static str]) -> impl FnMut(clap::Arg) -> clap::Arg {
    move |arg| {
        let hidden = names.contains(&arg.get_id().as_str());
        arg.hide(hidden)
    }
}

/// The options of `resolve`, unread. What is decided stands on the command line only: a variable would stay behind.
#[derive(Args, Default)]
pub struct ResolveTexts {
    /// Names [default: those that the conflict ids belong to]
    #[arg(value_name = "PROVIDER")]
    pub providers: Vec<String>,
    /// Which side is right: environment (changes the row), database (says how to change the environment)
    #[arg(long, value_name = "SIDE")]
    pub take: Option<String>,
    /// The id of the conflict that you saw; several times for several providers
    #[arg(long, value_name = "ID")]
    pub conflict: Vec<String>,
    /// Bring the named providers back that an operator deleted
    #[arg(long)]
    pub restore: bool,
    /// Say what would be changed, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask: for scripts
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub texts: Texts,
}

/// The options of `diff`, unread.
#[derive(Args, Default)]
pub struct DiffTexts {
    #[command(flatten)]
    pub texts: Texts,
    /// The environment alone, no database; exit 0 or 2
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub offline: Option<String>,
    /// Environment and options of a workload instead of this process's: deployment/NAME, statefulset/NAME; - reads manifests
    #[arg(long, value_name = "WORKLOAD", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Of --from: where the workload is [default: as kubectl has it]
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Of --from: the container that seeds [default: ai-provider-seed]
    #[arg(long, short, value_name = "NAME")]
    pub container: Option<String>,
    /// Of --from: which cluster and user of the kubeconfig [default: its current-context]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Look again and again, and show what changed; without a value every 5s
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true, default_missing_value = "5s")]
    pub watch: Option<String>,
}

/// The options of `export`, unread.
#[derive(Args, Default)]
pub struct ExportTexts {
    /// Names [default: all that are not deleted]
    #[arg(value_name = "PROVIDER")]
    pub providers: Vec<String>,
    /// env (dotenv lines), helm (values of Coder's chart), manifest (ConfigMap, Secret, AIProviderSeed) [default: env]
    #[arg(long, value_name = "WORD")]
    pub format: Option<String>,
    /// Write what is secret into this new file, readable for its owner alone
    #[arg(long, value_name = "FILE")]
    pub secrets_file: Option<String>,
    /// Print what is secret on standard output
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub texts: Texts,
}

/// The options of `seed` and `diff`, unread.
#[derive(Args, Clone, Default)]
pub struct Texts {
    /// Connection URL or key=value list, as Coder takes it. Default: CODER_PG_CONNECTION_URL, else DATABASE_URL, else PGHOST, …
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// A file that holds it; read again at each attempt
    #[arg(long, value_name = "FILE")]
    pub database_url_file: Option<String>,
    /// Takes the place of the URL's password; read again at each attempt
    #[arg(long, value_name = "FILE")]
    pub database_password_file: Option<String>,
    /// How long to try for a database that cannot be used yet; 0 is one try [default: 120s]
    #[arg(long, value_name = "DURATION")]
    pub wait: Option<String>,
    /// How long to wait for another seeder [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub lock_timeout: Option<String>,
    /// What a difference of keys means: ignore, warn, fail [default: warn]
    #[arg(long, value_name = "WORD")]
    pub compare_credentials: Option<String>,
    /// Outcomes that stop the start: invalid, conflict, unavailable, unusable, locked, or all, none [default: all]
    #[arg(long, value_name = "LIST")]
    pub block_on: Option<String>,
    /// Unknown variables, providers without keys, suspicious URLs and an empty environment are problems
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub strict: Option<String>,
    /// Fewer providers than this in the environment is invalid [default: 0]
    #[arg(long, value_name = "NUMBER")]
    pub require_providers: Option<String>,
    /// What it means that there is no table ai_providers: auto, fail, wait [default: auto]
    #[arg(long, value_name = "WORD")]
    pub if_schema_missing: Option<String>,
    /// Audit rows in the same transaction: auto, off [default: auto]
    #[arg(long, value_name = "WORD")]
    pub audit: Option<String>,
    /// Provider variables from a dotenv file (values literal) instead of the environment
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<String>,
    /// The report on standard output: text, json [default: text]
    #[arg(long, value_name = "WORD")]
    pub output: Option<String>,
    /// At most 1 KiB for kubectl describe pod; empty turns it off [default: /dev/termination-log if present]
    #[arg(long, value_name = "FILE")]
    pub termination_log: Option<String>,
    /// Logs on standard error: text, json [default: text]
    #[arg(long, value_name = "WORD")]
    pub log_format: Option<String>,
    /// error, warn, info, debug, trace [default: info]
    #[arg(long, value_name = "WORD")]
    pub log_level: Option<String>,
}

/// The options of `controller`, unread. It finds the API server as kubectl does: in the cluster, or by KUBECONFIG.
#[cfg(feature = "controller")]
#[derive(Args, Default)]
pub struct ControllerTexts {
    /// Where to look; may be given several times [default: its own namespace]
    #[arg(long, value_name = "NAME")]
    pub namespace: Vec<String>,
    /// Look everywhere
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub all_namespaces: Option<String>,
    /// Where /livez, /readyz and /metrics are [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Work only while holding a Lease in the own namespace
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub leader_elect: Option<String>,
    /// Carry out decisions of the annotation aiproviders.dev/resolve, and insert what is missing where spec.mode is Seed
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_writes: Option<String>,
    /// The name of that Lease: one for all that stand in for each other [default: ai-provider-seed]
    #[arg(long, value_name = "NAME")]
    pub lease_name: Option<String>,
    /// How many resources to check at once [default: 8]
    #[arg(long, value_name = "NUMBER")]
    pub concurrency: Option<String>,
    /// Logs on standard error: text, json [default: text]
    #[arg(long, value_name = "WORD")]
    pub log_format: Option<String>,
    /// error, warn, info, debug, trace [default: info]
    #[arg(long, value_name = "WORD")]
    pub log_level: Option<String>,
}

/// What is wrong with the arguments, without an argument in it: one in the wrong place may be a key.
pub fn usage_message(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ErrorKind};
    let context = |kind| error.get(kind).map(ToString::to_string);
    // Only the name of an option is repeated, or what nearly is one: anything else may be a key, of small letters too.
    let option = context(ContextKind::InvalidArg).and_then(|text| {
        let name = text.split(['=', ' ']).next().unwrap_or_default().to_owned();
        super::nearest_option(&name).map(|meant| (name, meant))
    });
    let what = match (error.kind(), option) {
        (ErrorKind::UnknownArgument, Some((option, meant))) if option == meant => {
            format!("{option} is an option of another command")
        }
        (ErrorKind::UnknownArgument, Some((option, meant))) => {
            format!("there is no option {}; did you mean {meant}?", crate::provider::redact::escape(&option))
        }
        (ErrorKind::UnknownArgument, None) => "an argument that is no option".to_owned(),
        (ErrorKind::InvalidSubcommand, _) => "there is no such command".to_owned(),
        (ErrorKind::ArgumentConflict, Some((_, option))) => format!("{option} was given twice"),
        (ErrorKind::InvalidUtf8, _) => "an argument is not Unicode (UTF-8)".to_owned(),
        (_, Some((_, option))) => format!("{option} needs a value"),
        _ => "the arguments cannot be understood".to_owned(),
    };
    format!("{what}; see ai-provider-seed --help")
}
