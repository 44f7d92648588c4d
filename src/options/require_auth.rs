//! `--require-auth` and PGREQUIREAUTH: the methods by which the server may request the password, as in libpq.

use std::fmt;

/// An authentication method of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// The password in clear text.
    Password,
    Md5,
    Gss,
    Sspi,
    ScramSha256,
    OAuth,
    /// The server requests no password; a client certificate may be enough.
    None,
}

impl AuthMethod {
    const ALL: [(&'static str, AuthMethod); 7] = [
        ("password", AuthMethod::Password),
        ("md5", AuthMethod::Md5),
        ("gss", AuthMethod::Gss),
        ("sspi", AuthMethod::Sspi),
        ("scram-sha-256", AuthMethod::ScramSha256),
        ("oauth", AuthMethod::OAuth),
        ("none", AuthMethod::None),
    ];

    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }
}

/// The allowed methods; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequireAuth(Vec<AuthMethod>);

impl RequireAuth {
    /// A list like `scram-sha-256,none`, or a list of forbidden methods: `!password,!md5`. The error describes the fault.
    pub fn parse(text: &str) -> Result<RequireAuth, String> {
        let items: Vec<&str> = text.split(',').map(str::trim).collect();
        let negated = items.iter().filter(|item| item.starts_with('!')).count();
        if negated != 0 && negated != items.len() {
            return Err("it has methods with ! and without; list either the allowed or the forbidden ones".to_owned());
        }
        let mut named = Vec::new();
        for item in items {
            let name = item.strip_prefix('!').unwrap_or(item);
            let Some((name, method)) = AuthMethod::ALL.iter().find(|(known, _)| *known == name) else {
                let names: Vec<&str> = AuthMethod::ALL.iter().map(|(name, _)| *name).collect();
                return Err(format!("it has an unknown method; use a list of {}", names.join(", ")));
            };
            if named.contains(method) {
                return Err(format!("it has {name} twice; write it once"));
            }
            named.push(*method);
        }
        let all = AuthMethod::ALL.iter().map(|(_, method)| *method);
        let allowed: Vec<AuthMethod> = all.filter(|method| named.contains(method) == (negated == 0)).collect();
        if allowed.is_empty() {
            Err("it allows no method at all; leave one".to_owned())
        } else {
            Ok(RequireAuth(allowed))
        }
    }

    pub fn allows(&self, method: AuthMethod) -> bool {
        self.0.contains(&method)
    }
}

impl fmt::Display for RequireAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|method| method.as_str()).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn require_auth_list_is_read_as_in_libpq() {
        let shown = |text: &str| RequireAuth::parse(text).map(|it| it.to_string());
        assert_eq!(shown("scram-sha-256").unwrap(), "scram-sha-256");
        assert_eq!(shown("none, md5").unwrap(), "md5, none");
        assert_eq!(shown("!password,!md5").unwrap(), "gss, sspi, scram-sha-256, oauth, none");
        assert_eq!(shown("!none").unwrap(), "password, md5, gss, sspi, scram-sha-256, oauth");
        for (text, why) in [
            ("scram-sha-256,!md5", "with ! and without"),
            ("!password,!none,scram-sha-256", "with ! and without"),
            ("password,md5,password", "password twice"),
            ("!none,!none", "none twice"),
            ("scram", "unknown method"),
            ("SCRAM-SHA-256", "unknown method"),
            ("", "unknown method"),
            ("md5,", "unknown method"),
            ("!password,!md5,!gss,!sspi,!scram-sha-256,!oauth,!none", "no method at all"),
        ] {
            assert!(shown(text).unwrap_err().contains(why), "{text}");
        }
    }
}
