//! The output of `make demo`.

use std::collections::BTreeSet;

#[path = "../../examples/demo/story.rs"]
mod story;

fn told(colour: bool) -> String {
    let mut out = Vec::new();
    story::tell(&mut out, colour, 100);
    String::from_utf8(out).unwrap()
}

/// Masks the parts that differ between runs: the port, the conflict's id, times.
fn masked(text: &str) -> String {
    let id = text.split("--conflict ").nth(1).and_then(|rest| rest.get(..32)).expect("the id of the conflict");
    let port = text.split("127.0.0.1:").nth(1).map(|rest| rest.split('/').next().unwrap()).expect("a port");
    let since = text.split("since ").nth(1).and_then(|rest| rest.get(..20)).expect("a moment");
    let text = text.replace(id, "ed7lijh33v6xf3w7ma6zwigoyb5nccs7").replace(since, "2026-11-20 09:12 UTC");
    text.replace(&format!("127.0.0.1:{port}/d0000"), "127.0.0.1:5432/coder")
        .replace(&format!("database d0000 at 127.0.0.1:{port}"), "database coder at 127.0.0.1:5432")
}

/// The colours that a text switches on.
fn colours(text: &str) -> BTreeSet<&str> {
    text.split("\x1b[").skip(1).filter_map(|rest| rest.split_once('m')).map(|(code, _)| code).collect()
}

fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, rest| text + rest.split_once('m').expect("a colour").1)
}

#[test]
fn demo_shows_the_conflict_once_and_settles_it() {
    let text = masked(&told(false));
    assert!(!text.contains('\x1b'));
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
    assert!(!text.contains("sk-demo") && !text.contains("demo-bedrock-secret"));
    let (_, after) = text.split_once("# The next try of the pod").unwrap();
    assert!(after.contains("nothing to do: 3 providers in sync") && after.contains("exit code 0"), "{after}");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("demo", text);
    });
}

#[test]
fn demo_at_a_terminal_has_colours() {
    let text = told(true);
    let colours = colours(&text);
    // The story's own colours, and the red of the program's error.
    assert_eq!(colours, BTreeSet::from(["0", "1", "1;31", "1;36", "2"]));
    assert_eq!(masked(&plain(&text)).lines().count(), masked(&told(false)).lines().count());
}
