//! Every command and every option, once: a new option gets a row here and its meaning in the module of its command.

use super::words::PREFIX;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    #[default]
    Seed,
    Diff,
    Resolve,
    Export,
    Decide,
    Status,
    Check,
    Controller,
    Crd,
    Explain,
    Probe,
    Completion,
    Man,
    Version,
}

use Command::{
    Check, Completion, Controller, Decide, Diff, Explain, Export, Man, Probe, Resolve, Seed, Status, Version,
};

impl Command {
    /// The commands of this build.
    pub const ALL: &'static [Command] = if cfg!(feature = "controller") {
        &[
            Seed,
            Diff,
            Resolve,
            Export,
            Status,
            Check,
            Decide,
            Controller,
            Command::Crd,
            Probe,
            Explain,
            Completion,
            Man,
            Version,
        ]
    } else {
        &[Seed, Diff, Resolve, Export, Explain, Version]
    };

    pub const fn as_str(self) -> &'static str {
        match self {
            Seed => "seed",
            Diff => "diff",
            Resolve => "resolve",
            Export => "export",
            Decide => "decide",
            Status => "status",
            Check => "check",
            Controller => "controller",
            Command::Crd => "crd",
            Explain => "explain",
            Probe => "probe",
            Completion => "completion",
            Man => "man",
            Version => "version",
        }
    }

    pub const fn about(self) -> &'static str {
        match self {
            Seed => "Reconcile the environment into Postgres (init container)",
            Diff => "Show what a seed would do, without writing",
            Resolve => {
                "Settle a conflict: change the row to the environment's values, or show how to change the environment"
            }
            Export => "Print the providers of the database as environment variables or manifests",
            Decide => "Settle a conflict through the controller: annotate the AIProviderSeed, and wait for the result",
            Status => "Show AIProviderSeed resources, and what to do for those that are not ready",
            Check => "Have the controller check an AIProviderSeed now, and show what it found",
            Controller => {
                "Watch AIProviderSeed resources and report in their status whether the next start would succeed; with \
                 --allow-writes, settle and seed"
            }
            Command::Crd => "Print the CustomResourceDefinition of AIProviderSeed as YAML",
            Probe => "Request a page of a controller, such as /readyz, until it answers 200 (for helm test)",
            Explain => "Explain a code, outcome, reason or field, and what to do",
            Completion => "Print the completion script of a shell",
            Man => "Print the manual page of the program, or of one command",
            Version => "Print version, commit and features of this build",
        }
    }
}

/// The option's value; the text is the value's name in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Value(&'static str),
    /// May be given several times.
    List(&'static str),
    /// After `=`; without a value, this default.
    OptionalValue(&'static str, &'static str),
    Nothing,
    /// An argument without `--`, any number of times.
    Positional(&'static str),
    /// At most one.
    OptionalPositional(&'static str),
    /// Just one.
    OnePositional(&'static str),
}

impl Takes {
    pub fn is_positional(self) -> bool {
        matches!(self, Takes::Positional(_) | Takes::OptionalPositional(_) | Takes::OnePositional(_))
    }
}

/// Sources of the option beside the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Its variable; `diff --from` takes the variable from the workload, unless a flag is given.
    Workload,
    /// Its variable, always that of this process.
    Process,
    /// No variable, which would outlive the decision.
    CommandLine,
}

use Scope::{CommandLine, Process, Workload};

pub struct OptionRow {
    pub name: &'static str,
    pub short: Option<char>,
    pub takes: Takes,
    pub scope: Scope,
    pub commands: &'static [Command],
    /// These commands also accept the option, because a decision takes the options of its start, but their help does not
    /// list it.
    pub ignored_by: &'static [Command],
    /// The value without the option, which the help shows. `None`: the default is not a text.
    pub default: Option<&'static str>,
    pub help: &'static str,
}

impl OptionRow {
    const fn default(self, text: &'static str) -> OptionRow {
        OptionRow { default: Some(text), ..self }
    }

    pub fn is_taken_by(&self, command: Command) -> bool {
        self.commands.contains(&command) || self.ignored_by.contains(&command)
    }

    /// `None`: the option has no variable.
    pub fn variable(&self) -> Option<String> {
        (self.scope != CommandLine).then(|| variable_name(self.name))
    }
}

/// The name of an option's variable.
pub fn variable_name(option: &str) -> String {
    format!("{PREFIX}{}", option.to_ascii_uppercase().replace('-', "_"))
}

pub fn rows_of(command: Command) -> impl Iterator<Item = &'static OptionRow> {
    OPTIONS.iter().filter(move |row| row.is_taken_by(command))
}

/// Commands with a connection to a database.
const DATABASE: &[Command] = &[Seed, Diff, Resolve, Export];
/// Commands that compare environment and database.
const COMPARING: &[Command] = &[Seed, Diff, Resolve];
const STARTING: &[Command] = &[Seed, Diff];
/// Commands that query an API server once, with kubectl's options.
const ON_CLUSTER: &[Command] = &[Diff, Resolve, Status, Check, Decide];
/// Commands that can use a workload's environment.
const FROM: &[Command] = &[Diff, Resolve];
/// Commands that find an API server as kubectl does.
const KUBECONFIG: &[Command] = &[Diff, Resolve, Status, Check, Decide, Controller];
/// Commands that wait for a controller.
const WAITING: &[Command] = &[Check, Decide];
/// Commands with a result that a program may read; `diff` has one more form, `status` and `check` have kubectl's letter too.
const REPORTING: &[Command] = &[Seed, Resolve, Export];
const EVERY: &[Command] = &[Seed, Diff, Resolve, Export, Controller];

const BOOL: Takes = Takes::OptionalValue("BOOL", "true");

const fn row(
    name: &'static str,
    takes: Takes,
    scope: Scope,
    commands: &'static [Command],
    help: &'static str,
) -> OptionRow {
    OptionRow { name, short: None, takes, scope, commands, ignored_by: &[], default: None, help }
}

const fn short(letter: char, row: OptionRow) -> OptionRow {
    OptionRow { short: Some(letter), ..row }
}

const fn ignored_by(commands: &'static [Command], row: OptionRow) -> OptionRow {
    OptionRow { ignored_by: commands, ..row }
}

/// In the order of the help.
#[rustfmt::skip]
pub const OPTIONS: &[OptionRow] = &[
    row("provider", Takes::Positional("PROVIDER"), CommandLine, &[Resolve],
        "Names [default: those of the conflict ids]"),
    row("name", Takes::OptionalPositional("NAME"), CommandLine, &[Status],
        "The name of the AIProviderSeed, or aps/NAME [default: all of the namespace]"),
    row("name", Takes::OnePositional("NAME"), CommandLine, WAITING,
        "The name of the AIProviderSeed, or aps/NAME"),
    row("take", Takes::Value("SIDE"), CommandLine, &[Resolve],
        "Which side is right: environment (changes the row), database (shows how to change the environment)"),
    row("conflict", Takes::List("ID"), CommandLine, &[Resolve],
        "The id of the conflict that you saw; several times for several providers"),
    row("take", Takes::Value("SIDE"), CommandLine, &[Decide],
        "Which side is right: environment (the controller changes the row), database (nothing to write)"),
    row("conflict", Takes::Value("ID"), CommandLine, &[Decide],
        "The id of the conflict that you saw, whole"),
    row("restore", Takes::Nothing, CommandLine, &[Resolve],
        "Restore the named providers that an operator deleted"),
    row("dry-run", Takes::Nothing, CommandLine, &[Resolve],
        "Show the change, and write nothing"),
    row("yes", Takes::Nothing, CommandLine, &[Resolve],
        "Do not ask: for scripts"),
    row("provider", Takes::Positional("PROVIDER"), CommandLine, &[Export],
        "Names [default: all that are not deleted]"),
    row("format", Takes::Value("WORD"), CommandLine, &[Export],
        "env (dotenv lines), helm (values of Coder's chart), manifest (ConfigMap, Secret, AIProviderSeed), terraform (import blocks) [default: env]"),
    row("secrets-file", Takes::Value("FILE"), CommandLine, &[Export],
        "Write secret values into this new file, readable for its owner alone"),
    row("show-secrets", Takes::Nothing, CommandLine, &[Export],
        "Print secret values on standard output"),

    row("word", Takes::Positional("WORD"), CommandLine, &[Explain],
        "A code (unknown_type), an outcome (conflict), a condition's reason (WouldSeed) or a field (base_url)"),
    row("url", Takes::OnePositional("URL"), CommandLine, &[Probe],
        "The page: http://HOST[:PORT]/PATH"),
    row("list", Takes::Nothing, CommandLine, &[Explain],
        "Print all words, one on each line, with their kind"),
    row("shell", Takes::OnePositional("SHELL"), CommandLine, &[Completion],
        "bash, elvish, fish, powershell or zsh"),
    row("command", Takes::OptionalPositional("COMMAND"), CommandLine, &[Man],
        "The command [default: the program]"),

    row("database-url", Takes::Value("URL"), Process, DATABASE,
        "Connection URL or key=value list, as Coder takes it. Default: CODER_PG_CONNECTION_URL, else DATABASE_URL, else PGHOST, …"),
    row("database-url-file", Takes::Value("FILE"), Process, DATABASE,
        "A file that holds it; read again at each attempt"),
    row("database-password-file", Takes::Value("FILE"), Process, DATABASE,
        "Replaces the URL's password; read again at each attempt"),
    row("require-auth", Takes::Value("LIST"), Process, DATABASE,
        "How the server may ask for the password, as in libpq: scram-sha-256, md5, password, gss, sspi, oauth, none; ! forbids"),
    row("wait", Takes::Value("DURATION"), Process, DATABASE,
        "How long to retry while the database is not usable yet; 0 means one attempt").default("120s"),
    ignored_by(&[Diff], row("lock-timeout", Takes::Value("DURATION"), Process, &[Seed, Resolve],
        "How long to wait for another seeder").default("30s")),
    row("compare-credentials", Takes::Value("WORD"), Workload, COMPARING,
        "How to treat differing API keys: ignore, warn, fail").default("warn"),
    row("compare-settings", Takes::Value("WORD"), Workload, COMPARING,
        "How to treat differing models and other optional fields whose variable is set: ignore, warn, fail").default("warn"),
    ignored_by(&[Resolve], row("take-environment", Takes::Value("WORD"), Workload, STARTING,
        "The fields that a start overwrites in an existing row: none, credentials, all (those that the environment sets)").default("none")),
    ignored_by(&[Diff, Resolve], row("block-on", Takes::Value("LIST"), Workload, &[Seed],
        "Outcomes that stop the start: invalid, conflict, unavailable, unusable, locked, or all, none").default("all")),
    row("strict", BOOL, Workload, COMPARING,
        "Unknown variables, providers without keys, suspicious URLs and an empty environment are problems"),
    row("require-providers", Takes::Value("NUMBER"), Workload, COMPARING,
        "Fewer providers than this in the environment is invalid").default("0"),
    ignored_by(&[Resolve], row("if-schema-missing", Takes::Value("WORD"), Workload, STARTING,
        "How to treat a database without the table ai_providers: auto, fail, wait").default("auto")),
    ignored_by(&[Resolve], row("undescribed", Takes::Value("WORD"), Workload, STARTING,
        "How to treat live rows that no variable describes: ignore, warn [default: ignore for seed, else warn]")),
    row("audit", Takes::Value("WORD"), Workload, COMPARING,
        "Audit rows in the same transaction: auto, off").default("auto"),
    row("env-file", Takes::Value("FILE"), Workload, COMPARING,
        "Provider variables from a dotenv file (values literal) instead of the environment"),

    row("offline", BOOL, Process, &[Diff],
        "The environment alone, no database; exit 0 or 2"),
    row("from", Takes::Value("WORKLOAD"), Process, FROM,
        "Environment and options of a workload instead of this process's: deployment/NAME, statefulset/NAME; - reads manifests"),
    short('n', row("namespace", Takes::Value("NAME"), Process, ON_CLUSTER,
        "The namespace in the cluster [default: as kubectl has it]")),
    short('c', row("container", Takes::Value("NAME"), Process, FROM,
        "With --from: the container that runs seed [default: ai-provider-seed]")),
    row("context", Takes::Value("NAME"), Process, KUBECONFIG,
        "The context of the kubeconfig [default: its current-context]"),
    row("kubeconfig", Takes::Value("FILE"), Process, KUBECONFIG,
        "The kubeconfig [default: as kubectl has it]"),
    row("as", Takes::Value("USER"), Process, ON_CLUSTER,
        "Ask as this user, such as system:serviceaccount:NAMESPACE:NAME (impersonation)"),
    row("as-group", Takes::List("GROUP"), Process, ON_CLUSTER,
        "With --as: as a member of this group; may be given several times"),
    short('A', row("all-namespaces", Takes::Nothing, CommandLine, &[Status],
        "Show the resources of all namespaces")),
    row("wait", Takes::Value("DURATION"), Process, WAITING,
        "How long to wait for the controller, from 1s to 24h").default("60s"),
    row("watch", Takes::OptionalValue("INTERVAL", "5s"), Process, &[Diff],
        "Check repeatedly and show changes; without a value every 5s"),

    row("namespace", Takes::List("NAME"), Process, &[Controller],
        "The namespace to watch; may be given several times [default: its own namespace]"),
    row("all-namespaces", BOOL, Process, &[Controller],
        "Watch all namespaces"),
    row("listen", Takes::Value("ADDRESS"), Process, &[Controller],
        "The address of /livez, /readyz and /metrics").default("[::]:8080"),
    row("leader-elect", BOOL, Process, &[Controller],
        "Work only while holding a Lease in its own namespace"),
    row("allow-writes", BOOL, Process, &[Controller],
        "Carry out decisions of the annotation aiproviders.dev/resolve, and insert missing providers where spec.mode is Seed"),
    row("lease-name", Takes::Value("NAME"), Process, &[Controller],
        "The name of that Lease, the same for all replicas").default("ai-provider-seed"),
    row("database-hosts", Takes::List("HOST"), Process, &[Controller],
        "The only hosts to connect to: names, *.example.com, addresses, networks [default: all but this machine and its link]"),
    row("allow-local", BOOL, Process, &[Controller],
        "Connect to loopback and link-local addresses too, for tests"),
    row("watch-database", Takes::Value("WORD"), Process, &[Controller],
        "Whether to listen for Coder's announcements of a change on a separate session: auto, off").default("auto"),
    row("listeners-per-host", Takes::Value("NUMBER"), Process, &[Controller],
        "How many such sessions to open at one database host").default("8"),
    row("concurrency", Takes::Value("NUMBER"), Process, &[Controller],
        "How many resources to check at once").default("8"),

    row("output", Takes::Value("WORD"), Process, REPORTING,
        "The report on standard output: text, json").default("text"),
    short('o', row("output", Takes::Value("WORD"), Process, &[Status, Check],
        "The report on standard output: text, json").default("text")),
    row("output", Takes::Value("WORD"), Process, &[Diff],
        "The report on standard output: text, json, github (annotations)").default("text"),
    row("termination-log", Takes::Value("FILE"), Process, DATABASE,
        "At most 1 KiB for kubectl describe pod; empty turns it off [default: /dev/termination-log if present]"),
    row("log-format", Takes::Value("WORD"), Process, EVERY,
        "Logs on standard error: text, json").default("text"),
    row("log-level", Takes::Value("WORD"), Process, EVERY,
        "error, warn, info, debug, trace").default("info"),
];
