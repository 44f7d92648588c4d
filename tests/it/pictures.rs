//! The pictures of docs/img show the output of the program and of kubectl as a terminal with its own background, so that
//! they are readable on light and dark pages. `UPDATE_FILES=1 cargo test --test it pictures` writes them.

use anstyle_svg::{Term, WIN10_CONSOLE};

use crate::docs_examples::databases::Scene;
use crate::support::Run;
use crate::support::files::{assert_current, read, root};
use crate::support::terminal::Terminal;

/// Columns of a picture; a longer word stays whole, as at a terminal.
const COLUMNS: usize = 100;

const ENV: [(&str, &str); 3] = [
    ("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "openai"),
    ("CODER_AI_GATEWAY_PROVIDER_0_BASE_URL", "https://api.openai.com/v1"),
    ("CODER_AI_GATEWAY_PROVIDER_0_KEYS", "sk-one,sk-two"),
];

/// Shades of the program's own colours that are easy to read on black.
const SHADES: [(&str, &str); 2] = [("\x1b[1;31m", "\x1b[1;38;2;255;123;114m"), ("\x1b[33m", "\x1b[38;2;227;179;65m")];

fn typed(command: &str) -> String {
    format!("\x1b[38;2;126;231;135m$\x1b[0m \x1b[1m{command}\x1b[0m\n")
}

fn svg(screen: &str) -> String {
    let screen = SHADES.iter().fold(screen.to_owned(), |screen, (ours, shade)| screen.replace(ours, shade));
    for line in screen.lines() {
        assert!(columns(line) <= COLUMNS, "{} columns: {line}", columns(line));
    }
    let svg = Term::new().palette(WIN10_CONSOLE).render_svg(screen.trim_end());
    // With a box for its coordinates, the whole picture shrinks on a narrow page.
    let (head, rest) = svg.split_once(" xmlns=").unwrap();
    let size: Vec<&str> = head.split('"').skip(1).step_by(2).map(|length| length.trim_end_matches("px")).collect();
    let lines: Vec<&str> = rest.lines().map(str::trim_end).collect();
    format!("{head} viewBox=\"0 0 {} {}\" xmlns={}\n", size[0], size[1], lines.join("\n").trim_end())
}

/// Counts columns without control sequences.
fn columns(line: &str) -> usize {
    let mut parts = line.split("\x1b[");
    let first = parts.next().map_or(0, |text| text.chars().count());
    first + parts.map(|part| part.split_once('m').map_or(0, |(_, text)| text.chars().count())).sum::<usize>()
}

/// Longer lines continue below their value, after the last gap of two spaces.
fn wrapped(text: &str) -> String {
    let mut rows: Vec<String> = Vec::new();
    for line in text.lines() {
        let value = line.rfind("  ").map_or(0, |gap| gap + 2);
        let longest = line[value..].split(' ').map(columns).max().unwrap_or(0);
        let below = value.min(COLUMNS.saturating_sub(longest));
        let (mut row, mut is_empty) = (line[..value].to_owned(), true);
        for word in line[value..].split(' ') {
            if columns(&row) + usize::from(!is_empty) + columns(word) > COLUMNS && !row.trim().is_empty() {
                rows.push(row.trim_end().to_owned());
                (row, is_empty) = (" ".repeat(below), true);
            }
            if !is_empty {
                row.push(' ');
            }
            row.push_str(word);
            is_empty = false;
        }
        rows.push(row);
    }
    rows.join("\n") + "\n"
}

#[test]
fn picture_of_a_conflict_equals_the_output_of_seed() {
    let scene = Scene::of("changed");
    let run = scene.connect(Run::seed().envs(ENV)).env("CLICOLOR_FORCE", "1").env("COLUMNS", COLUMNS.to_string());
    let printed = scene.masked(&run.run().expect(3).stdout);
    assert_current("docs/img/conflict.svg", &svg(&(typed("ai-provider-seed seed") + &printed)));
}

#[test]
fn picture_of_watch_equals_the_terminal() {
    let scene = Scene::of("changed");
    let columns = COLUMNS.to_string();
    let url = scene.url();
    let env = [&ENV[..], &[("CODER_PG_CONNECTION_URL", url), ("COLUMNS", &columns)]].concat();
    let mut terminal = Terminal::person(&["diff", "--watch=1h"], &env);
    terminal.until("Ctrl-C ends");
    let shown = std::mem::take(&mut terminal.shown).replace("\r\n", "\n");
    terminal.interrupt();
    let (_, frame) = shown.rsplit_once("\x1b[2J\x1b[H").expect("a table begins on an empty screen");
    // The time of the check precedes the footer's ` UTC · every`.
    let (before, after) = frame.split_once(" UTC · every").unwrap_or_else(|| panic!("{frame:?}"));
    let before = &before[..before.len() - "09:12:07".len()];
    let frame = scene.masked(&format!("{before}09:12:07 UTC · every{after}"));
    assert_current("docs/img/watch.svg", &svg(&(typed("ai-provider-seed diff --watch=1h") + &frame)));
}

#[test]
fn pictures_of_describe_equal_the_output_of_kubectl() {
    let pod = read("tests/e2e/shown/describe-pod.txt");
    let pod = typed("kubectl -n coder describe pod coder-6f54866fb-tqqkm") + &wrapped(&pod);
    assert_current("docs/img/describe-pod.svg", &svg(&pod));
    let seed = read("tests/e2e/shown/describe-aps.txt");
    let seed = typed("kubectl -n coder describe aps coder") + &wrapped(&seed);
    assert_current("docs/img/describe-aps.svg", &svg(&seed));
}

#[test]
fn pictures_need_no_font_and_no_other_file() {
    let pictures: Vec<_> = std::fs::read_dir(root("docs/img")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(pictures.len(), 4);
    for picture in pictures {
        let text = std::fs::read_to_string(&picture).unwrap();
        for outside in ["@import", "@font-face", "url(", "href", "<script", "<image"] {
            assert!(!text.contains(outside), "{}: {outside}", picture.display());
        }
        assert!(text.contains("viewBox") && text.contains("<rect width=\"100%\" height=\"100%\""));
        // A picture looks the same without the pages: its background is its own.
        assert!(text.contains(".bg { fill: #0C0C0C }"), "{}", picture.display());
    }
}

#[test]
fn long_lines_go_on_below_their_value() {
    let long = format!("  Message:   {}", "word ".repeat(30).trim_end());
    let lines: Vec<String> = wrapped(&long).lines().map(str::to_owned).collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| line.len() <= COLUMNS), "{lines:?}");
    assert!(lines[0].starts_with("  Message:   word") && lines[1].starts_with("             word"), "{lines:?}");
    assert_eq!(wrapped("a  b\n\nc\n"), "a  b\n\nc\n");
    assert!(svg("a < b & c").contains("a &lt; b &amp; c"));
}
