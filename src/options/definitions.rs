//! Every command and every option, once: a new option is a row here and its meaning in the module of its command.

use super::words::PREFIX;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    #[default]
    Seed,
    Diff,
    Resolve,
    Export,
    Controller,
    Crd,
    Explain,
    Probe,
    Completion,
    Man,
    Version,
}

use Command::{Completion, Controller, Diff, Explain, Export, Man, Probe, Resolve, Seed, Version};

impl Command {
    /// Those of this build.
    pub const ALL: &'static [Command] = if cfg!(feature = "controller") {
        &[Seed, Diff, Resolve, Export, Controller, Command::Crd, Probe, Explain, Completion, Man, Version]
    } else {
        &[Seed, Diff, Resolve, Export, Explain, Version]
    };

    pub const fn as_str(self) -> &'static str {
        match self {
            Seed => "seed",
            Diff => "diff",
            Resolve => "resolve",
            Export => "export",
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
            Diff => "Say what a seed would do, without writing",
            Resolve => {
                "Settle a conflict: change the row to what the environment says, or say how to change the environment"
            }
            Export => "Print the providers of the database as environment variables or manifests",
            Controller => {
                "Watch AIProviderSeed resources and say in their status whether the next start would go ahead; with \
                 --allow-writes, settle and seed"
            }
            Command::Crd => "Print the CustomResourceDefinition of AIProviderSeed as YAML",
            Probe => "Ask a page of a controller, such as /readyz, until it answers 200 (for helm test)",
            Explain => "Say what a code, outcome, reason or field means, and what to do",
            Completion => "Print what completes command lines in a shell",
            Man => "Print the manual page of the program, or of one command",
            Version => "Print version, commit and features of this build",
        }
    }
}

/// What follows the option's name; the text is the value's name in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Value(&'static str),
    /// May be given several times.
    List(&'static str),
    /// Behind `=`, or nothing, which means this.
    OptionalValue(&'static str, &'static str),
    Nothing,
    /// An argument without `--`, any number of them.
    Positional(&'static str),
}

/// Where else than on the command line the option is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In its variable; `diff --from` takes it from the workload, unless a flag is given.
    Workload,
    /// In its variable; always of this process and this machine.
    Process,
    /// Nowhere: a variable would outlive the decision.
    CommandLine,
}

use Scope::{CommandLine, Process, Workload};

pub struct OptionRow {
    pub name: &'static str,
    pub short: Option<char>,
    pub takes: Takes,
    pub scope: Scope,
    pub commands: &'static [Command],
    /// Accepted by these as well, since a decision is made with the options of the start that it is about, but not part of their
    /// help.
    pub ignored_by: &'static [Command],
    /// What is read where the option is not given; the help shows it. `None`: another default than a text of its own.
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

    /// `None`: it has none.
    pub fn variable(&self) -> Option<String> {
        (self.scope != CommandLine).then(|| variable_name(self.name))
    }
}

/// How the variable of an option is called.
pub fn variable_name(option: &str) -> String {
    format!("{PREFIX}{}", option.to_ascii_uppercase().replace('-', "_"))
}

pub fn rows_of(command: Command) -> impl Iterator<Item = &'static OptionRow> {
    OPTIONS.iter().filter(move |row| row.is_taken_by(command))
}

/// With a connection to a database.
const DATABASE: &[Command] = &[Seed, Diff, Resolve, Export];
/// With a comparison of environment and database.
const COMPARING: &[Command] = &[Seed, Diff, Resolve];
const STARTING: &[Command] = &[Seed, Diff];
/// Which ask an API server once, with kubectl's options.
const ON_CLUSTER: &[Command] = &[Diff, Resolve];
/// With the environment of a workload in place of one's own.
const FROM: &[Command] = &[Diff, Resolve];
/// Which find an API server as kubectl does.
const KUBECONFIG: &[Command] = &[Diff, Resolve, Controller];
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
        "Names [default: those that the conflict ids belong to]"),
    row("take", Takes::Value("SIDE"), CommandLine, &[Resolve],
        "Which side is right: environment (changes the row), database (says how to change the environment)"),
    row("conflict", Takes::List("ID"), CommandLine, &[Resolve],
        "The id of the conflict that you saw; several times for several providers"),
    row("restore", Takes::Nothing, CommandLine, &[Resolve],
        "Bring the named providers back that an operator deleted"),
    row("dry-run", Takes::Nothing, CommandLine, &[Resolve],
        "Say what would be changed, and write nothing"),
    row("yes", Takes::Nothing, CommandLine, &[Resolve],
        "Do not ask: for scripts"),
    row("provider", Takes::Positional("PROVIDER"), CommandLine, &[Export],
        "Names [default: all that are not deleted]"),
    row("format", Takes::Value("WORD"), CommandLine, &[Export],
        "env (dotenv lines), helm (values of Coder's chart), manifest (ConfigMap, Secret, AIProviderSeed) [default: env]"),
    row("secrets-file", Takes::Value("FILE"), CommandLine, &[Export],
        "Write secret values into this new file, readable for its owner alone"),
    row("show-secrets", Takes::Nothing, CommandLine, &[Export],
        "Print secret values on standard output"),

    row("word", Takes::Positional("WORD"), CommandLine, &[Explain],
        "A code (unknown_type), an outcome (conflict), a condition's reason (WouldSeed) or a field (base_url)"),
    row("url", Takes::Positional("URL"), CommandLine, &[Probe],
        "The page: http://HOST[:PORT]/PATH"),
    row("list", Takes::Nothing, CommandLine, &[Explain],
        "Print all words, one on each line, with their kind"),
    row("shell", Takes::Positional("SHELL"), CommandLine, &[Completion],
        "bash, elvish, fish, powershell or zsh"),
    row("command", Takes::Positional("COMMAND"), CommandLine, &[Man],
        "Whose page [default: that of the program]"),

    row("database-url", Takes::Value("URL"), Process, DATABASE,
        "Connection URL or key=value list, as Coder takes it. Default: CODER_PG_CONNECTION_URL, else DATABASE_URL, else PGHOST, …"),
    row("database-url-file", Takes::Value("FILE"), Process, DATABASE,
        "A file that holds it; read again at each attempt"),
    row("database-password-file", Takes::Value("FILE"), Process, DATABASE,
        "Takes the place of the URL's password; read again at each attempt"),
    row("require-auth", Takes::Value("LIST"), Process, DATABASE,
        "How the server may ask for the password, as in libpq: scram-sha-256, md5, password, gss, sspi, oauth, none; ! forbids"),
    row("wait", Takes::Value("DURATION"), Process, DATABASE,
        "How long to try for a database that cannot be used yet; 0 is one try").default("120s"),
    ignored_by(&[Diff], row("lock-timeout", Takes::Value("DURATION"), Process, &[Seed, Resolve],
        "How long to wait for another seeder").default("30s")),
    row("compare-credentials", Takes::Value("WORD"), Workload, COMPARING,
        "How to treat differing API keys: ignore, warn, fail").default("warn"),
    row("compare-settings", Takes::Value("WORD"), Workload, COMPARING,
        "How to treat differing models and other optional fields whose variable is set: ignore, warn, fail").default("warn"),
    ignored_by(&[Resolve], row("take-environment", Takes::Value("WORD"), Workload, STARTING,
        "What a start overwrites in a row that is there: none, credentials, all (what the environment sets)").default("none")),
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
        "Where to look in the cluster [default: as kubectl has it]")),
    short('c', row("container", Takes::Value("NAME"), Process, FROM,
        "Of --from: the container that seeds [default: ai-provider-seed]")),
    row("context", Takes::Value("NAME"), Process, KUBECONFIG,
        "Which cluster and user of the kubeconfig [default: its current-context]"),
    row("kubeconfig", Takes::Value("FILE"), Process, KUBECONFIG,
        "The kubeconfig [default: as kubectl has it]"),
    row("as", Takes::Value("USER"), Process, ON_CLUSTER,
        "Ask as this user, such as system:serviceaccount:NAMESPACE:NAME (impersonation)"),
    row("as-group", Takes::List("GROUP"), Process, ON_CLUSTER,
        "Of --as: as a member of this group; may be given several times"),
    row("watch", Takes::OptionalValue("INTERVAL", "5s"), Process, &[Diff],
        "Check repeatedly and show what changed; without a value every 5s"),

    row("namespace", Takes::List("NAME"), Process, &[Controller],
        "Where to look; may be given several times [default: its own namespace]"),
    row("all-namespaces", BOOL, Process, &[Controller],
        "Look everywhere"),
    row("listen", Takes::Value("ADDRESS"), Process, &[Controller],
        "Where /livez, /readyz and /metrics are").default("[::]:8080"),
    row("leader-elect", BOOL, Process, &[Controller],
        "Work only while holding a Lease in the own namespace"),
    row("allow-writes", BOOL, Process, &[Controller],
        "Carry out decisions of the annotation aiproviders.dev/resolve, and insert what is missing where spec.mode is Seed"),
    row("lease-name", Takes::Value("NAME"), Process, &[Controller],
        "The name of that Lease, the same for all replicas").default("ai-provider-seed"),
    row("database-hosts", Takes::List("HOST"), Process, &[Controller],
        "The only hosts to connect to: names, *.example.com, addresses, networks [default: all but this machine and its link]"),
    row("allow-local", BOOL, Process, &[Controller],
        "Connect to loopback and link-local addresses too, for tests"),
    row("watch-database", Takes::Value("WORD"), Process, &[Controller],
        "Whether to wait for Coder's announcements of a change on a session of its own: auto, off").default("auto"),
    row("listeners-per-host", Takes::Value("NUMBER"), Process, &[Controller],
        "How many such sessions to open at one host of databases").default("8"),
    row("concurrency", Takes::Value("NUMBER"), Process, &[Controller],
        "How many resources to check at once").default("8"),

    row("output", Takes::Value("WORD"), Process, DATABASE,
        "The report on standard output: text, json; of diff also github (annotations)").default("text"),
    row("termination-log", Takes::Value("FILE"), Process, DATABASE,
        "At most 1 KiB for kubectl describe pod; empty turns it off [default: /dev/termination-log if present]"),
    row("log-format", Takes::Value("WORD"), Process, EVERY,
        "Logs on standard error: text, json").default("text"),
    row("log-level", Takes::Value("WORD"), Process, EVERY,
        "error, warn, info, debug, trace").default("info"),
];
