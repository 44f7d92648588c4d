//! kubectl's options: the API server, and the user.

#[cfg(feature = "controller")]
use std::path::Path;
use std::path::PathBuf;

use super::reader::OptionReader;
use crate::problem::{Code, Problem};
#[cfg(feature = "controller")]
use crate::provider::redact;

/// The API server and the user, given by kubectl's options of these names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiServer {
    /// One file that replaces those of `KUBECONFIG`.
    pub kubeconfig: Option<PathBuf>,
    /// The name of a context that replaces the current one.
    pub context: Option<String>,
    /// The user to impersonate, and the groups.
    pub user: Option<String>,
    pub groups: Vec<String>,
}

impl ApiServer {
    /// The options in the order of the help.
    pub const OPTIONS: [&'static str; 4] = ["kubeconfig", "context", "as", "as-group"];

    /// The same options for another command of this program or for kubectl, quoted for a shell.
    #[cfg(feature = "controller")]
    pub fn as_options(&self) -> Vec<String> {
        let one = |option: &str, value: &str| format!("--{option} {}", quoted(value));
        let kubeconfig = self.kubeconfig.as_deref().and_then(Path::to_str);
        let options = [("context", self.context.as_deref()), ("kubeconfig", kubeconfig), ("as", self.user.as_deref())];
        let given = options.into_iter().filter_map(|(option, value)| Some(one(option, value?)));
        given.chain(self.groups.iter().map(|group| one("as-group", group))).collect()
    }

    /// Reads the options that the reader's command accepts.
    pub(super) fn read(reader: &mut OptionReader) -> ApiServer {
        let server = ApiServer {
            kubeconfig: reader.read_or("kubeconfig", None, |text| some(text).map(|text| Some(PathBuf::from(text)))),
            context: reader.read_or("context", None, |text| some(text).map(Some)),
            user: reader.read_or("as", None, |text| of_header(text).map(Some)),
            groups: reader.read_or("as-group", Vec::new(), |text| text.split(',').map(of_header).collect()),
        };
        if server.user.is_none() && !server.groups.is_empty() {
            let message = "groups are those of a user; add --as";
            reader.problems.push(Problem::new(Code::InvalidOption, message).variable("--as-group"));
        }
        server
    }
}

/// Quotes the text so that a shell reads one word.
#[cfg(feature = "controller")]
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&b);
    let shown = redact::in_command(text);
    if shown.bytes().all(is_plain) {
        return shown;
    }
    format!("'{}'", shown.replace('\'', r"'\''"))
}

pub(super) fn some(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("is empty; leave the option out, or give a value".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// The value is sent in an HTTP header.
fn of_header(text: &str) -> Result<String, String> {
    let text = some(text)?;
    if text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Ok(text);
    }
    Err("has a character that the API server cannot be sent; printable ASCII is expected".to_owned())
}
