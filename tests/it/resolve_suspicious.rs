//! A decision may write a suspicious value: the report warns before and after, only about the written fields.

use crate::support::resolution::{URL, database, id_of, openai};
use crate::support::{Database, Run};

fn run(command: &str, database: &Database, url: &str) -> Run {
    let run = Run::new([command]).database(database.url()).env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai");
    run.env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", url).env("CODER_AIBRIDGE_PROVIDER_0_KEY", "put-your-key-here")
}

#[test]
fn placeholder_that_a_decision_writes_is_reported() {
    for (stored, is_written) in [(&["sk-canary-old"][..], true), (&["put-your-key-here"], false)] {
        let url = if is_written { URL } else { "https://api.openai.com/v9" };
        let database = database(&openai(URL, stored));
        let id = id_of(&run("diff", &database, url).json().run());
        for last in ["--dry-run", "--yes"] {
            let take = run("resolve", &database, url).args(["--take=environment", "--conflict", &id, last]).run();
            assert_eq!(take.expect(0).stdout.contains("key_suspicious"), is_written, "{last}: {id}");
        }
    }
}
