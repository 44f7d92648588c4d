//! The source of the connection options. Files are read again at each attempt, since Secrets are rotated while a pod
//! runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::options::RequireAuth;
use crate::problem::{Code, Problem};
use crate::store::error::Error;
use crate::store::tls::read_file;
use crate::{
    provider::redact,
    store::url::{self, ConnectOptions, Lookup},
};

/// A URL or a password is smaller than this.
const MAX_FILE: u64 = 64 * 1024;

#[derive(Clone, Debug)]
pub struct ConnectionSource {
    url: Url,
    password_file: Option<(PathBuf, String)>,
    require_auth: Option<RequireAuth>,
}

#[derive(Clone, Debug)]
enum Url {
    Given(Box<ConnectOptions>),
    File { path: PathBuf, origin: String, variables: BTreeMap<&'static str, SecretString> },
}

impl ConnectionSource {
    /// Options that do not change.
    pub fn given(options: ConnectOptions) -> Self {
        ConnectionSource { url: Url::Given(Box::new(options)), password_file: None, require_auth: None }
    }

    /// A file with a URL or a `key=value` list. `origin` is the option's name, for messages. The PG variables are read
    /// from `lookup` now.
    pub fn url_file(path: impl Into<PathBuf>, origin: &str, lookup: Lookup<'_>) -> Self {
        let variables = url::variables().filter_map(|name| Some((name, lookup(name)?.into()))).collect();
        ConnectionSource {
            url: Url::File { path: path.into(), origin: origin.to_owned(), variables },
            password_file: None,
            require_auth: None,
        }
    }

    /// A file whose content replaces the password, without one line break at its end.
    #[must_use]
    pub fn password_file(mut self, path: impl Into<PathBuf>, origin: &str) -> Self {
        self.password_file = Some((path.into(), origin.to_owned()));
        self
    }

    /// Overrides PGREQUIREAUTH, if given.
    #[must_use]
    pub fn require_auth(mut self, methods: Option<RequireAuth>) -> Self {
        self.require_auth = methods;
        self
    }

    /// The options of this attempt.
    pub fn options(&self) -> Result<ConnectOptions, Error> {
        let mut options = match &self.url {
            Url::Given(options) => options.as_ref().clone(),
            Url::File { path, origin, variables } => {
                let text = read_text(path, origin, Code::DatabaseUrlInvalid, Code::DatabaseUrlMissing)?;
                let lookup = |name: &str| variables.get(name).map(|value| value.expose_secret().to_owned());
                ConnectOptions::parse(text.expose_secret(), origin, &lookup).map_err(Error::from_problems)?
            }
        };
        if let Some(methods) = &self.require_auth {
            options.set_require_auth(methods.clone());
        }
        if let Some((path, origin)) = &self.password_file {
            let text = read_text(path, origin, Code::InvalidOption, Code::InvalidOption)?;
            let password = text.expose_secret();
            let password = password.strip_suffix('\n').unwrap_or(password);
            let password = password.strip_suffix('\r').unwrap_or(password);
            if password.is_empty() {
                let message = format!("{} is empty; write the password into it", redact::name(&path.to_string_lossy()));
                return Err(Problem::new(Code::InvalidOption, message).variable(origin).into());
            }
            options.set_password(password.into());
        }
        Ok(options)
    }
}

fn read_text(path: &std::path::Path, origin: &str, invalid: Code, missing: Code) -> Result<SecretString, Error> {
    let shown = redact::name(&path.to_string_lossy());
    let bytes = read_file(path, MAX_FILE).map_err(|cause| {
        let code = if cause == "there is no such file" { missing } else { invalid };
        let next = "mount the Secret into this container and make it readable for its user";
        Error::from(Problem::new(code, format!("cannot read {shown}: {cause}; {next}")).variable(origin))
    })?;
    let without_mark = |text: String| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    // An editor adds the byte order mark, as in an env file.
    String::from_utf8(bytes).map(|text| SecretString::from(without_mark(text))).map_err(|_| {
        let message = format!("{shown} is not UTF-8 text; write it as UTF-8, not base64 nor UTF-16");
        Error::from(Problem::new(invalid, message).variable(origin))
    })
}
