//! `make demo`: a Postgres with Coder's tables, three providers in the environment, and what happens when both disagree.
//! Takes everything it needs along, ends by itself, leaves nothing behind.
#![allow(clippy::print_stdout, clippy::expect_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use support::{Database, Run, Server, Variant};

const ENVIRONMENT: [(&str, &str); 12] = [
    ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
    ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://api.openai.com/v1"),
    ("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-demo-openai-first,sk-demo-openai-second"),
    ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "anthropic"),
    ("CODER_AIBRIDGE_PROVIDER_1_NAME", "claude"),
    ("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://api.anthropic.com/"),
    ("CODER_AIBRIDGE_PROVIDER_1_KEY", "sk-demo-anthropic"),
    ("CODER_AIBRIDGE_PROVIDER_2_TYPE", "bedrock"),
    ("CODER_AIBRIDGE_PROVIDER_2_NAME", "claude-on-aws"),
    ("CODER_AIBRIDGE_PROVIDER_2_BEDROCK_REGION", "eu-central-1"),
    ("CODER_AIBRIDGE_PROVIDER_2_BEDROCK_ACCESS_KEY", "AKIADEMODEMODEMODEMO"),
    ("CODER_AIBRIDGE_PROVIDER_2_BEDROCK_ACCESS_KEY_SECRET", "demo-bedrock-secret"),
];

const CHANGE: &str =
    "update ai_providers set base_url = 'https://llm.example.com/v1', updated_at = now() where name = 'openai'";

const SHOW: &str =
    "select string_agg(format('  %s  %s  %s  %s', rpad(name, 14), rpad(type::text, 10), rpad(base_url, 27),
        (select count(*) from ai_provider_keys where provider_id = p.id) || ' keys'), e'\\n' order by name)
    from ai_providers p where not deleted";

fn main() {
    title("A Postgres with Coder's tables, and the environment of the pod");
    let server = Server::start(support::Options::new());
    let database = server.database(Variant::Current);
    println!("$ export CODER_PG_CONNECTION_URL={}", database.url_as("postgres", "***"));
    for (name, value) in ENVIRONMENT {
        let secret = name.contains("KEY");
        println!(
            "$ export {name}={}",
            if secret { value.split(',').map(|_| "***").collect::<Vec<_>>().join(",") } else { value.into() }
        );
    }

    title("The first start: everything is missing");
    run(&database, "diff", 1, &[]);
    run(&database, "seed", 0, &[]);
    show(&database);

    title("The next start: nothing to do");
    run(&database, "seed", 0, &[]);

    title("Someone changes a provider in Coder, and the environment still says what it said");
    println!("$ psql -c \"{CHANGE}\"");
    database.execute(CHANGE);
    run(&database, "diff", 3, &[]);
    run(&database, "seed", 3, &[]);
    show(&database);

    title("One way out: the environment follows the database");
    run(&database, "seed", 0, &[("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://llm.example.com/v1")]);

    title("Another, at 3 in the morning: start anyway, change nothing");
    run(&database, "seed", 0, &[("AI_PROVIDER_SEED_BLOCK_ON", "none")]);
}

fn title(text: &str) {
    println!("\n# {text}\n");
}

/// Prints a command as one would type it, then what it says and its exit code.
fn run(database: &Database, command: &str, code: i32, more: &[(&str, &str)]) {
    let assignments: String = more.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    println!("$ {assignments}ai-provider-seed {command}; echo $?");
    let run = Run::new([command]).database(database.url()).envs(ENVIRONMENT).envs(more.iter().copied());
    let finished = run.run().expect(code);
    print!("{}{}", finished.stderr, finished.stdout);
    println!("{}", finished.code);
    // What `kubectl describe pod` shows of an init container that did not go ahead.
    if command == "seed" && code != 0 {
        println!("\n  its termination message:\n");
        finished.termination.unwrap_or_default().lines().for_each(|line| println!("    {line}"));
    }
    println!();
}

fn show(database: &Database) {
    println!(
        "the rows of ai_providers:\n{}\n",
        database.json(&format!("select to_json(({SHOW}))")).as_str().unwrap_or("  none")
    );
}
