//! The steps of the demo in order. tests/it/demo.rs compares them with a golden.
#![allow(clippy::expect_used)]

use std::io::Write;

use crate::support::{Database, Options, Run, Server, Variant};

const ENVIRONMENT: [(&str, &str); 14] = [
    ("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "openai"),
    ("CODER_AI_GATEWAY_PROVIDER_0_BASE_URL", "https://api.openai.com/v1"),
    ("CODER_AI_GATEWAY_PROVIDER_0_KEYS", "sk-demo-openai-first,sk-demo-openai-second"),
    ("CODER_AI_GATEWAY_PROVIDER_1_TYPE", "anthropic"),
    ("CODER_AI_GATEWAY_PROVIDER_1_NAME", "claude"),
    ("CODER_AI_GATEWAY_PROVIDER_1_BASE_URL", "https://api.anthropic.com/"),
    ("CODER_AI_GATEWAY_PROVIDER_1_KEY", "sk-demo-anthropic"),
    ("CODER_AI_GATEWAY_PROVIDER_2_TYPE", "bedrock"),
    ("CODER_AI_GATEWAY_PROVIDER_2_NAME", "claude-on-aws"),
    ("CODER_AI_GATEWAY_PROVIDER_2_BEDROCK_REGION", "eu-central-1"),
    ("CODER_AI_GATEWAY_PROVIDER_2_BEDROCK_MODEL", "anthropic.claude-sonnet-5"),
    ("CODER_AI_GATEWAY_PROVIDER_2_BEDROCK_SMALL_FAST_MODEL", "anthropic.claude-haiku-4-5"),
    ("CODER_AI_GATEWAY_PROVIDER_2_BEDROCK_ACCESS_KEY", "AKIADEMODEMODEMODEMO"),
    ("CODER_AI_GATEWAY_PROVIDER_2_BEDROCK_ACCESS_KEY_SECRET", "demo-bedrock-secret"),
];

const CHANGE: &str =
    "update ai_providers set base_url = 'https://llm.example.com/v1', updated_at = now() where name = 'openai'";

const SHOW: &str = "select name, type, base_url from ai_providers order by name";

const ROWS: &str =
    "select string_agg(rtrim(format(' %s | %s | %s', rpad(name, 13), rpad(type::text, 9), base_url)), e'\\n' order by name)
    from ai_providers where not deleted";

const NEXT: &str = "\
What you saw is the whole idea: a start with the wrong providers stops, says why, and one command settles it. Next:

  in a cluster     hack/quickstart up    kind, Postgres, the init container and the controller (docs/quickstart.md)
  in your Coder    docs/install.md       in which order, from what only reads to what stops a start
  every way out    docs/conflicts.md     and docs/choosing.md: who owns the providers
  a word           target/debug/ai-provider-seed explain conflict
  all tests        make test

Postgres has ended and its data is gone. `make clean` removes what was built and downloaded.
";

/// Prints the whole demo; `colour` and `width` are those of the terminal behind `out`.
pub fn tell(out: &mut dyn Write, colour: bool, width: usize) {
    let server = Server::start(Options::new());
    let database = server.database(Variant::Current);
    let mut stage = Stage { out, colour, width, database: &database };

    stage.title("The pod's environment: three providers, and the database");
    stage.typed(&format!("export CODER_PG_CONNECTION_URL={}", database.url_as("postgres", "***")));
    for (name, value) in ENVIRONMENT {
        let stars = || value.split(',').map(|_| "***").collect::<Vec<_>>().join(",");
        stage.typed(&format!("export {name}={}", if name.contains("KEY") { stars() } else { value.into() }));
    }

    stage.title("The first start: the database has no providers yet");
    stage.run(&["seed"], 0);
    stage.rows();

    stage.title("The next start: nothing to do");
    stage.run(&["seed"], 0);

    stage.title("Someone changes a provider in Coder, and the next start would use the wrong one");
    stage.typed(&format!("psql -c \"{CHANGE}\""));
    database.execute(CHANGE);
    stage.run(&["seed"], 3);
    stage.says("The pod does not start. `kubectl describe pod` shows the same, and the old pods go on serving.");

    stage.title("The environment is right: settle this one conflict by its id");
    let id = stage.conflict();
    stage.run(&["resolve", "--take", "environment", "--conflict", &id, "--yes"], 0);

    stage.title("The next try of the pod: in sync");
    stage.run(&["seed"], 0);
    stage.rows();

    drop(database);
    drop(server);
    let _ = write!(out, "\n{NEXT}");
}

struct Stage<'a> {
    out: &'a mut dyn Write,
    colour: bool,
    width: usize,
    database: &'a Database<'a>,
}

impl Stage<'_> {
    // A reader that goes away, such as `head`, is not an error.
    fn says(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn title(&mut self, text: &str) {
        let title = self.painted("1;36", &format!("# {text}"));
        self.says(&format!("\n{title}\n"));
    }

    fn typed(&mut self, command: &str) {
        let prompt = self.painted("2", "$");
        let command = self.painted("1", command);
        self.says(&format!("{prompt} {command}"));
    }

    /// Prints a command as a user would type it, its output at a terminal, and its exit code.
    fn run(&mut self, arguments: &[&str], code: i32) {
        self.typed(&format!("ai-provider-seed {}", arguments.join(" ")));
        // The real terminal's settings for colours and width apply here.
        let colour = if self.colour { "CLICOLOR_FORCE" } else { "NO_COLOR" };
        let run = self.in_the_pod(arguments).env(colour, "1").env("COLUMNS", self.width.to_string());
        let finished = run.run().expect(code);
        self.says(finished.stdout.trim_end());
        let exit = self.painted("2", &format!("exit code {code}"));
        self.says(&format!("{exit}\n"));
    }

    fn in_the_pod(&self, arguments: &[&str]) -> Run {
        Run::new(arguments).database(self.database.url()).envs(ENVIRONMENT)
    }

    /// The id in the report above.
    fn conflict(&self) -> String {
        let diff = self.in_the_pod(&["diff"]).json().run().expect(3).json();
        diff["conflicts"][0]["id"].as_str().expect("a conflict has an id").to_owned()
    }

    fn rows(&mut self) {
        self.typed(&format!("psql -c \"{SHOW}\""));
        let rows = self.database.json(&format!("select to_json(({ROWS}))"));
        self.says(rows.as_str().unwrap_or(" (no rows)"));
    }
}
