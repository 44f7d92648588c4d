//! References that a tool should have replaced by a value: `$(NAME)`, `{{ .Values.key }}`, `op://vault/item`.

use super::characters::bare;

const KUBERNETES: &str =
    "Kubernetes replaces it only in `value` of env, and only by a variable that is defined before it in the list";
/// The form of a reference that the kubelet replaces.
pub const KUBERNETES_FORM: &str = "$(…)";
const SHELL: &str = "nothing runs a shell over variables; write the value, or $(NAME) in a manifest";
const TEMPLATE: &str = "the template was not rendered; look at the tool that should do it";
const ENCRYPTED: &str = "it was not decrypted; look at the tool that should do it";
const INJECTOR: &str = "its injector did not run for this container; look at the pod's annotations or its entry point";

/// A reference: its form in a message, and which tool should have replaced it.
pub struct Reference {
    pub form: &'static str,
    pub advice: &'static str,
}

enum Where {
    /// At the beginning of the value.
    Begins,
    /// Anywhere, followed by this text later.
    Between(&'static str),
    /// Anywhere.
    Anywhere,
}

struct Row {
    text: &'static str,
    place: Where,
    /// The set of characters in `text`.
    characters: u128,
    reference: Reference,
}

const fn row(text: &'static str, place: Where, form: &'static str, advice: &'static str) -> Row {
    Row { text, place, characters: ascii_of(text), reference: Reference { form, advice } }
}

/// The order matters: `${{ x }}` is GitHub's form before it is a shell's.
static FORMS: [Row; 64] = [
    row(
        "${{",
        Where::Between("}}"),
        "${{ … }}",
        "GitHub Actions replaces it in workflows alone; look at the step that passes it on",
    ),
    row("$(", Where::Between(")"), KUBERNETES_FORM, KUBERNETES),
    row("${", Where::Between("}"), "${…}", SHELL),
    row("{{", Where::Between("}}"), "{{ … }}", TEMPLATE),
    row("{%", Where::Between("%}"), "{% … %}", TEMPLATE),
    row("<%", Where::Between("%>"), "<% … %>", TEMPLATE),
    row("[[", Where::Between("]]"), "[[ … ]]", TEMPLATE),
    row("((", Where::Between("))"), "((…))", TEMPLATE),
    row("#{", Where::Between("}"), "#{…}", TEMPLATE),
    row("%(", Where::Between(")s"), "%(…)s", TEMPLATE),
    row("%{", Where::Between("}"), "%{…}", TEMPLATE),
    row("@@", Where::Between("@@"), "@@…@@", TEMPLATE),
    row("<no value>", Where::Anywhere, "<no value>", "Go's template writes it for a value that is not set"),
    row("<nil>", Where::Anywhere, "<nil>", "Go's template writes it for a value that is not set"),
    row("%!s(", Where::Anywhere, "%!s(…)", "Go writes it for a value that is missing"),
    row("ENC[", Where::Begins, "ENC[…]", ENCRYPTED),
    row("ENC(", Where::Begins, "ENC(…)", ENCRYPTED),
    row("$ANSIBLE_VAULT;", Where::Begins, "$ANSIBLE_VAULT", ENCRYPTED),
    row("-----BEGIN PGP MESSAGE", Where::Begins, "a PGP message", ENCRYPTED),
    row("-----BEGIN AGE ENCRYPTED", Where::Begins, "an age file", ENCRYPTED),
    row("age-encryption.org/", Where::Begins, "an age file", ENCRYPTED),
    row("{cipher}", Where::Begins, "{cipher}…", ENCRYPTED),
    row("vault:", Where::Begins, "vault:…", INJECTOR),
    row(">>vault:", Where::Begins, ">>vault:…", INJECTOR),
    row("<path:", Where::Begins, "<path:…>", TEMPLATE),
    row("bao:", Where::Begins, "bao:…", INJECTOR),
    row("op://", Where::Anywhere, "op://…", "1Password's `op run` or its operator did not run for this container"),
    row("ref+", Where::Begins, "ref+…", "`vals eval` did not run over the manifest"),
    row("secretref+", Where::Begins, "secretref+…", "`vals eval` did not run over the manifest"),
    row("awssm://", Where::Begins, "awssm://…", INJECTOR),
    row("awsssm://", Where::Begins, "awsssm://…", INJECTOR),
    row("ssm://", Where::Begins, "ssm://…", INJECTOR),
    row("ssm:/", Where::Begins, "ssm:/…", INJECTOR),
    row("aws-sm://", Where::Begins, "aws-sm://…", INJECTOR),
    row("secretsmanager://", Where::Begins, "secretsmanager://…", INJECTOR),
    row("arn:aws:secretsmanager:", Where::Begins, "the ARN of a secret", INJECTOR),
    row("arn:aws:ssm:", Where::Begins, "the ARN of a parameter", INJECTOR),
    row("{{resolve:", Where::Begins, "{{resolve:…}}", TEMPLATE),
    row("gcp:secretmanager:", Where::Begins, "gcp:secretmanager:…", INJECTOR),
    row("gcpsm://", Where::Begins, "gcpsm://…", INJECTOR),
    row("gsm:", Where::Begins, "gsm:…", INJECTOR),
    row("sm://", Where::Begins, "sm://…", INJECTOR),
    row("azurekeyvault:", Where::Begins, "azurekeyvault:…", INJECTOR),
    row("akvs:", Where::Begins, "akvs:…", INJECTOR),
    row("keyvault:", Where::Begins, "keyvault:…", INJECTOR),
    row(
        "@Microsoft.KeyVault(",
        Where::Begins,
        "@Microsoft.KeyVault(…)",
        "App Service replaces it, and nothing in a cluster does",
    ),
    row("infisical://", Where::Begins, "infisical://…", INJECTOR),
    row("doppler://", Where::Begins, "doppler://…", INJECTOR),
    row("bws://", Where::Begins, "bws://…", INJECTOR),
    row("secret://", Where::Begins, "secret://…", INJECTOR),
    row("secret:", Where::Begins, "secret:…", INJECTOR),
    row("k8s:secret", Where::Begins, "k8s:secret…", INJECTOR),
    row("k8s://", Where::Begins, "k8s://…", INJECTOR),
    row("secretKeyRef", Where::Anywhere, "secretKeyRef", "it is a field of valueFrom, not of value"),
    row("configMapKeyRef", Where::Anywhere, "configMapKeyRef", "it is a field of valueFrom, not of value"),
    row("valueFrom:", Where::Anywhere, "valueFrom", "it takes the place of value in the manifest"),
    row("os.environ", Where::Begins, "os.environ…", "LiteLLM reads such a reference, and Coder does not"),
    row("process.env.", Where::Begins, "process.env.…", SHELL),
    row("{env:", Where::Begins, "{env:…}", SHELL),
    row("$__file{", Where::Begins, "$__file{…}", SHELL),
    row("env://", Where::Begins, "env://…", SHELL),
    row("env:", Where::Begins, "env:…", SHELL),
    row("!vault", Where::Begins, "!vault", ENCRYPTED),
    row("!Ref", Where::Begins, "!Ref", TEMPLATE),
];

static VARIABLE: Reference = Reference { form: "$NAME", advice: SHELL };
static WINDOWS: Reference = Reference { form: "%NAME%", advice: "only the command prompt of Windows replaces it" };

/// Characters around a name in capital letters, as replacement tools use them.
static TOKENS: [(&str, Reference); 5] = [
    ("__", Reference { form: "__NAME__", advice: TEMPLATE }),
    ("@", Reference { form: "@NAME@", advice: TEMPLATE }),
    ("#", Reference { form: "#NAME#", advice: TEMPLATE }),
    ("$", Reference { form: "$NAME$", advice: TEMPLATE }),
    ("!", Reference { form: "!NAME!", advice: "only the command prompt of Windows replaces it" }),
];

/// Every row contains at least one of these.
const SIGNS: u128 = ascii_of("$({<[@ /:.!+R");

/// Every form that surrounds a name contains one of these.
const NAME_SIGNS: u128 = ascii_of("$%_@#!");

/// Whether a form may contain this byte as one of its signs. Most values have none.
fn is_sign(byte: u8) -> bool {
    const OF_ANY: [u64; 2] = [(SIGNS | NAME_SIGNS) as u64, ((SIGNS | NAME_SIGNS) >> 64) as u64];
    byte.is_ascii() && OF_ANY[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
}

/// The reference that the value is or contains.
pub fn find(value: &str) -> Option<&'static Reference> {
    if value.len() > super::LONGEST {
        return None;
    }
    if !value.bytes().any(is_sign) {
        return None;
    }
    let there = ascii_of(value);
    let bare = bare(value);
    // A search costs far more than a look at the set of characters, and most values contain no bracket.
    let of_table = FORMS.iter().filter(|row| row.characters & !there == 0).find(|row| match row.place {
        Where::Begins => bare.starts_with(row.text),
        Where::Anywhere => value.contains(row.text),
        Where::Between(end) => encloses(value, row.text, end),
    });
    let of_names = || if there & NAME_SIGNS == 0 { None } else { of_names(value, bare) };
    of_table.map(|row| &row.reference).or_else(of_names)
}

/// The ASCII characters of a text, one bit each.
const fn ascii_of(text: &str) -> u128 {
    // Two halves, because a 128-bit shift takes several 64-bit ones for each byte of each value.
    let (bytes, mut halves, mut at) = (text.as_bytes(), [0u64; 2], 0);
    while at < bytes.len() {
        if bytes[at].is_ascii() {
            halves[(bytes[at] >> 6) as usize] |= 1 << (bytes[at] & 63);
        }
        at += 1;
    }
    (halves[1] as u128) << 64 | halves[0] as u128
}

fn encloses(value: &str, start: &str, end: &str) -> bool {
    value.match_indices(start).any(|(at, _)| {
        let inner = value[at + start.len()..].find(end);
        inner.is_some_and(|length| length > 0)
    })
}

/// Forms around a name alone. A `$` or `%` within other text is not a reference.
fn of_names(value: &str, bare: &str) -> Option<&'static Reference> {
    let alone = bare.strip_prefix('$').map(|name| name.strip_prefix("env:").unwrap_or(name));
    // In a URL, only a whole part counts: a password may contain a `$` anywhere.
    let is_url = value.contains("://");
    let parts = || is_url.then(|| value.split(['/', '.', ':', '?', '=', '&'])).into_iter().flatten();
    let is_part = |part: &str| part.strip_prefix('$').is_some_and(is_upper);
    if alone.is_some_and(is_name) || parts().flat_map(|part| part.split('@')).any(is_part) {
        return Some(&VARIABLE);
    }
    if let Some((_, token)) =
        TOKENS.iter().find(|(sign, _)| is_token(bare, sign) || parts().any(|part| is_token(part, sign)))
    {
        return Some(token);
    }
    if !value.contains('%') {
        return None;
    }
    // Hexadecimal digits after `%` are a URL escape.
    let is_escape = |name: &str| name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let between: Vec<&str> = value.split('%').skip(1).collect();
    let enclosed = between.split_last().map_or(&[][..], |(_, enclosed)| enclosed);
    if enclosed.iter().any(|name| is_upper(name) && name.len() >= 3 && !is_escape(name)) {
        return Some(&WINDOWS);
    }
    None
}

fn is_token(text: &str, sign: &str) -> bool {
    text.strip_prefix(sign).and_then(|rest| rest.strip_suffix(sign)).is_some_and(is_upper)
}

fn name_end(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

fn is_name(text: &str) -> bool {
    text.len() > 1 && name_end(text) == text.len() && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_upper(text: &str) -> bool {
    is_name(text) && !text.bytes().any(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{FORMS, SIGNS};

    #[test]
    fn every_row_has_a_sign() {
        for row in &FORMS {
            assert_ne!(row.characters & SIGNS, 0, "{}", row.text);
        }
    }
}
