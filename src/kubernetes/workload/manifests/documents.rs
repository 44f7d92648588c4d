//! Splits a stream of manifests into documents. They may contain secrets, so an error names only its place.

use serde::de::DeserializeSeed;
use serde_json::Value;

use super::super::bounded_value::Room;
use super::{Manifests, invalid};
use crate::problem::Problem;

/// Bytes of all kept parts of the manifests, and of the document being read.
const MAX_VALUES: usize = 24 << 20;

/// JSON is also YAML, except for several consecutive objects without a separator.
fn is_json(text: &str) -> bool {
    let inside = text.trim_start().strip_prefix('{').map(str::trim_start);
    inside.is_some_and(|inside| inside.starts_with(['"', '}'])) && !text.lines().any(|line| line.starts_with("---"))
}

impl Manifests {
    /// All documents of a stream.
    pub(super) fn read_all(&mut self, text: &str) -> Result<(), Problem> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let room = Room::new(MAX_VALUES);
        if is_json(text) { self.json(text, &room) } else { self.yaml(text, &room) }
    }

    /// Reads one document, which needs room only if a part of it is kept.
    fn document(&mut self, room: &Room, read: impl FnOnce() -> Result<Value, String>) -> Result<(), Problem> {
        let place = format!("document {}", self.documents + 1);
        let (before, kept) = (room.left(), self.kept());
        let document = read().map_err(|what| match room.is_full() {
            true => invalid(format!("{place} is too large; give the workload and the objects that it mentions alone")),
            false => invalid(format!("{place} {what}")),
        })?;
        self.documents += 1;
        self.add(document, None, &place);
        if self.kept() == kept {
            room.restore(before);
        }
        Ok(())
    }

    fn kept(&self) -> usize {
        self.workloads.len() + self.secrets.len() + self.config_maps.len()
    }

    /// Reads all consecutive objects.
    fn json(&mut self, text: &str, room: &Room) -> Result<(), Problem> {
        // From a str, the reader would count lines from the beginning at each end of a document.
        let mut deserializer = serde_json::Deserializer::from_reader(text.as_bytes());
        while deserializer.end().is_err() {
            self.document(room, || {
                let value = room.deserialize(&mut deserializer);
                value.map_err(|error| format!("is not valid JSON, line {}", error.line()))
            })?;
        }
        Ok(())
    }

    /// Every line that begins with `---` ends a document. Each document is read separately, so that an error has its
    /// number.
    fn yaml(&mut self, text: &str, room: &Room) -> Result<(), Problem> {
        let (mut document, mut first) = (String::new(), 1);
        for (at, line) in text.lines().enumerate() {
            let behind = line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r']));
            match behind {
                Some(rest) => {
                    self.yaml_document(&std::mem::take(&mut document), first, room)?;
                    first = at + 1;
                    // Text after the marker belongs to the document; its columns do not matter.
                    document.push_str(rest);
                }
                None if line.trim_end() == "..." => {}
                None => document.push_str(line),
            }
            document.push('\n');
        }
        self.yaml_document(&document, first, room)
    }

    /// `first`: the number of its first line.
    fn yaml_document(&mut self, text: &str, first: usize, room: &Room) -> Result<(), Problem> {
        let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if text.lines().all(is_blank) {
            return Ok(());
        }
        self.document(room, || {
            // A snippet would show a part of a Secret.
            let options = serde_saphyr::options! { with_snippet: false };
            let value =
                serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| room.deserialize(yaml));
            value.map_err(|error| {
                let line = error.location().map_or(1, |location| location.line());
                let line = first + usize::try_from(line).unwrap_or(1).max(1) - 1;
                let advice = if text.contains("{{") {
                    "; it holds {{ … }}: render the template first, as helm template does"
                } else if text.lines().any(|line| line.starts_with("Error: ") || line.starts_with("error: ")) {
                    "; it holds an error of the command before the pipe: let that succeed first"
                } else if text.contains("\nNOTES:") {
                    "; it holds the notes of a chart: pipe what helm template prints"
                } else {
                    ""
                };
                format!("is not valid YAML, line {line} of standard input{advice}")
            })
        })
    }
}
