//! `$(NAME)` in values, commands and arguments, as the kubelet expands it: `$$` is `$`, an unresolved reference stays as
//! written, and an inserted value is not expanded again.

/// One piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Literal(&'a str),
    /// `$(NAME)`
    Reference(&'a str),
}

/// Splits the text into pieces; `$$` becomes one `$`. Takes time in proportion to the length of any text.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let last_close = text.rfind(')');
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let (piece, length) = match rest.find('$') {
            Some(0) => behind_dollar(rest, last_close.is_some_and(|close| close > at)),
            Some(dollar) => (Piece::Literal(&rest[..dollar]), dollar),
            None => (Piece::Literal(rest), rest.len()),
        };
        at += length;
        Some(piece)
    })
}

/// The piece that begins with the `$` here, and its length as written. Without a `)` in the rest, no search is made for
/// one.
fn behind_dollar(text: &str, has_close: bool) -> (Piece<'_>, usize) {
    let reference = text.strip_prefix("$(").filter(|_| has_close).and_then(|inner| inner.split_once(')'));
    if let Some((name, _)) = reference {
        (Piece::Reference(name), name.len() + "$()".len())
    } else if text.starts_with("$$") {
        (Piece::Literal("$"), "$$".len())
    } else {
        // `$x` stays, and so does a `$(` without an end; the text after it is still read.
        let end = 1 + usize::from(text.starts_with("$("));
        (Piece::Literal(&text[..end]), end)
    }
}

/// Whether Kubernetes creates this variable for a Service. `links` is the pod's `enableServiceLinks`: without it, only
/// those of the API server exist.
pub fn is_service_variable(name: &str, links: bool) -> bool {
    if !links && !name.starts_with("KUBERNETES_") {
        return false;
    }
    let upper = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    let service =
        ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"].iter().any(|end| name.strip_suffix(end).is_some_and(upper));
    let inside = |(head, tail): (&str, &str)| upper(head) && upper(tail);
    // REDIS_SERVICE_PORT_HTTP, REDIS_PORT_6379_TCP_ADDR
    let of_port = name.split_once("_PORT_").is_some_and(|(head, tail)| {
        upper(head) && tail.split('_').nth(1).is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol))
    });
    service || name.split_once("_SERVICE_PORT_").is_some_and(inside) || of_port
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expand(text: &str, look_up: impl Fn(&str) -> Option<String>) -> String {
        let text_of = |piece: Piece<'_>| match piece {
            Piece::Literal(text) => text.to_owned(),
            Piece::Reference(name) => look_up(name).unwrap_or_else(|| format!("$({name})")),
        };
        pieces(text).map(text_of).collect()
    }

    /// The table of Kubernetes' own test (third_party/forked/golang/expansion).
    #[test]
    fn as_kubernetes_expands() {
        let look_up = |name: &str| {
            let value = match name {
                "VAR_A" => "A",
                "VAR_B" => "B",
                "VAR_C" => "C",
                "VAR_REF" => "$(VAR_A)",
                "VAR_EMPTY" => "",
                _ => return None,
            };
            Some(value.to_owned())
        };
        for (input, expected) in [
            ("$(VAR_A)", "A"),
            ("___$(VAR_B)___", "___B___"),
            ("___$(VAR_C)", "___C"),
            ("$(VAR_A)-$(VAR_A)", "A-A"),
            ("$(VAR_A)-1", "A-1"),
            ("$(VAR_A)_$(VAR_B)_$(VAR_C)", "A_B_C"),
            ("$$(VAR_B)_$(VAR_A)", "$(VAR_B)_A"),
            ("$$(VAR_A)_$$(VAR_B)", "$(VAR_A)_$(VAR_B)"),
            ("f000-$$VAR_A", "f000-$VAR_A"),
            ("foo\\$(VAR_C)bar", "foo\\Cbar"),
            ("foo\\\\$(VAR_C)bar", "foo\\\\Cbar"),
            ("foo\\$$(VAR_C)bar", "foo\\$(VAR_C)bar"),
            ("$(VAR_REF)", "$(VAR_A)"),
            ("%%$(VAR_REF)--$(VAR_REF)%%", "%%$(VAR_A)--$(VAR_A)%%"),
            ("foo$(VAR_EMPTY)bar", "foobar"),
            ("foo$(VAR_Awhoops!", "foo$(VAR_Awhoops!"),
            ("f00__(VAR_A)__", "f00__(VAR_A)__"),
            ("$?_boo_$!", "$?_boo_$!"),
            ("$VAR_A", "$VAR_A"),
            ("$(VAR_DNE)", "$(VAR_DNE)"),
            ("$$$$$$(BIG_MONEY)", "$$$(BIG_MONEY)"),
            ("$$$$$$(VAR_A)", "$$$(VAR_A)"),
            ("$$$$$$$(GOOD_ODDS)", "$$$$(GOOD_ODDS)"),
            ("$$$$$$$(VAR_A)", "$$$A"),
            ("$VAR_A)", "$VAR_A)"),
            ("${VAR_A}", "${VAR_A}"),
            ("$(VAR_B)_______$(A", "B_______$(A"),
            ("$(VAR_C)_______$(", "C_______$("),
            ("$(VAR_A)foobarzab$", "Afoobarzab$"),
            ("foo-\\$(VAR_A", "foo-\\$(VAR_A"),
            ("--$($($($($--", "--$($($($($--"),
            ("$($($($($--foo$(", "$($($($($--foo$("),
            ("foo0--$($($($(", "foo0--$($($($("),
            ("$(foo$$var)", "$(foo$$var)"),
            ("$", "$"),
            ("", ""),
        ] {
            assert_eq!(expand(input, look_up), expected, "{input}");
        }
    }

    /// Each reference used to be searched to the end of the text: half a minute for a megabyte.
    #[test]
    fn unclosed_references_take_linear_time() {
        let text = "$(".repeat(4 << 20);
        assert_eq!(pieces(&text).count(), 4 << 20);
        let closed = format!(")$({text}");
        assert_eq!(pieces(&closed).count(), 2 + (4 << 20));
    }

    #[test]
    fn variables_of_services() {
        for name in [
            "REDIS_SERVICE_HOST",
            "REDIS_SERVICE_PORT",
            "MY_DB_SERVICE_PORT_HTTP",
            "REDIS_PORT",
            "REDIS_PORT_6379_TCP",
            "REDIS_PORT_6379_TCP_ADDR",
            "DNS_PORT_53_UDP_PROTO",
        ] {
            assert!(is_service_variable(name, true), "{name}");
            assert!(!is_service_variable(name, false), "{name}");
        }
        assert!(is_service_variable("KUBERNETES_SERVICE_HOST", false));
        for name in ["PGPASSWORD", "SERVICE", "_PORT", "redis_port", "PORT", "MY_PORT_RANGE"] {
            assert!(!is_service_variable(name, true), "{name}");
        }
    }

    /// The kubelet's loop over bytes, statement for statement.
    fn model(input: &[u8], look_up: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
        let (mut out, mut checkpoint, mut cursor) = (Vec::new(), 0, 0);
        while cursor < input.len() {
            if input[cursor] == b'$' && cursor + 1 < input.len() {
                out.extend(&input[checkpoint..cursor]);
                let next = &input[cursor + 1..];
                let advance = match next[0] {
                    b'$' => {
                        out.push(b'$');
                        1
                    }
                    b'(' => match next.iter().position(|b| *b == b')') {
                        Some(end) => {
                            let name = String::from_utf8_lossy(&next[1..end]).into_owned();
                            out.extend(look_up(&name).unwrap_or_else(|| format!("$({name})")).bytes());
                            end + 1
                        }
                        None => {
                            out.extend(b"$(");
                            1
                        }
                    },
                    other => {
                        out.extend([b'$', other]);
                        1
                    }
                };
                cursor += advance;
                checkpoint = cursor + 1;
            }
            cursor += 1;
        }
        out.extend(&input[checkpoint.min(input.len())..]);
        out
    }

    proptest! {
        #[test]
        fn as_the_kubelets_loop(text in "[$()AB xé]{0,24}") {
            let look_up = |name: &str| match name {
                "A" => Some("$(B)".to_owned()),
                "AB" => Some("$$".to_owned()),
                _ => None,
            };
            let expected = model(text.as_bytes(), &look_up);
            prop_assert_eq!(expand(&text, look_up).into_bytes(), expected);
        }
    }
}
