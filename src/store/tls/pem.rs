//! Describes the content of a file that should contain certificates or a key. Only the label of a known PEM block is ever
//! shown.

/// Why these bytes contain no certificate.
pub(super) fn no_certificate(bytes: &[u8], name: &str) -> String {
    if let Some(why) = not_pem(bytes, name, "openssl x509 -inform der") {
        return why;
    }
    let (what, next) = match label(bytes) {
        Some("CERTIFICATE") => ("holds a damaged certificate", "copy it again: is its end missing?"),
        Some("TRUSTED CERTIFICATE") => {
            ("holds a certificate in OpenSSL's own form", "convert it: openssl x509 -in FILE -out NEW")
        }
        Some("CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") => {
            ("holds a request, not a certificate", "give the certificate that the CA made of it")
        }
        Some("PKCS7" | "CMS") => ("holds a PKCS #7 bundle", "convert it: openssl pkcs7 -print_certs -in FILE -out NEW"),
        Some("X509 CRL") => ("holds a revocation list, not a certificate", "give the certificate"),
        Some("PUBLIC KEY" | "RSA PUBLIC KEY") => ("holds a public key, not a certificate", "give the certificate"),
        Some(label) if label.ends_with("PRIVATE KEY") => {
            ("holds a private key, not a certificate", "give the certificate; are two files swapped?")
        }
        _ => ("is not a list of PEM certificates", "give a file with BEGIN CERTIFICATE"),
    };
    format!("{name} {what}; {next}")
}

/// Why these bytes contain no private key.
pub(super) fn no_key(bytes: &[u8], name: &str) -> String {
    if let Some(why) = not_pem(bytes, name, "openssl pkey -inform der") {
        return why;
    }
    let encrypted = contains(bytes, b"Proc-Type: 4,ENCRYPTED");
    let (what, next) = match label(bytes) {
        Some("ENCRYPTED PRIVATE KEY") => ENCRYPTED,
        Some(label) if label.ends_with("PRIVATE KEY") && encrypted => ENCRYPTED,
        Some("CERTIFICATE" | "TRUSTED CERTIFICATE") => {
            ("holds a certificate, not a private key", "give the key; are sslcert and sslkey swapped?")
        }
        Some("PUBLIC KEY" | "RSA PUBLIC KEY") => ("holds a public key, not a private key", "give the private key"),
        Some("OPENSSH PRIVATE KEY") => {
            ("holds a key in OpenSSH's form", "convert a copy of it: ssh-keygen -p -N '' -m PKCS8 -f FILE")
        }
        Some("DSA PRIVATE KEY") => ("holds a DSA key, which TLS does not use any more", KINDS),
        Some("PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY") => {
            ("holds a damaged private key", "copy it again: is its end missing?")
        }
        Some("EC PARAMETERS") => ("holds only the parameters of a curve, not a private key", "give the private key"),
        _ => ("has no private key in it", "give a PEM file with BEGIN PRIVATE KEY"),
    };
    format!("{name} {what}; {next}")
}

const ENCRYPTED: (&str, &str) = (
    "holds a key that is encrypted with a pass phrase",
    "give one that is not: openssl pkey -in FILE -out NEW (sslpassword is not supported)",
);

const KINDS: &str = "use ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits";

/// The kind of an unusable key, determined by its object identifiers.
pub(super) fn unusable_key(der: &[u8], name: &str) -> String {
    let known: &[(&[u8], &str)] = &[
        (b"\x2b\x81\x04\x00\x23", "is an ECDSA key on the curve P-521, on which we cannot sign"),
        (b"\x2b\x81\x04\x00\x0a", "is an ECDSA key on the curve secp256k1, which TLS does not have"),
        (b"\x2b\x81\x04\x00\x21", "is an ECDSA key on the curve P-224, which is no longer used"),
        (b"\x06\x03\x2b\x65\x71", "is an Ed448 key, with which we cannot sign"),
        (b"\x2a\x86\x48\xce\x38\x04\x01", "is a DSA key, which TLS does not use any more"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", "is an RSA key of a size that is not supported"),
    ];
    let what = known.iter().find(|(identifier, _)| contains(der, identifier)).map(|(_, what)| *what);
    // PKCS #1 has no identifier: a version, then a long number.
    let is_pkcs1 = what.is_none() && !contains(der, b"\x2a\x86\x48\xce\x3d");
    let what = match what {
        Some(what) => what,
        None if is_pkcs1 => "is an RSA key of a size that is not supported",
        None => "is a key of a kind that cannot be used",
    };
    format!("the key in {name} {what}; {KINDS}")
}

fn not_pem(bytes: &[u8], name: &str, convert: &str) -> Option<String> {
    Some(if bytes.iter().all(u8::is_ascii_whitespace) {
        format!("{name} is empty; was the Secret's key written?")
    } else if bytes.starts_with(&[0x30]) && bytes.get(1).is_some_and(|length| *length >= 0x20) && !bytes.is_ascii() {
        format!("{name} is DER, not PEM; convert it: {convert} -in FILE -out NEW")
    } else if bytes.starts_with(b"LS0tLS1CRUdJTi") {
        format!("{name} is PEM in base64; decode it once more (stringData of a Secret takes plain text)")
    } else if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        format!("{name} is UTF-16 text; write it as ASCII")
    } else {
        return None;
    })
}

/// The label of the first block: `-----BEGIN label-----`.
fn label(bytes: &[u8]) -> Option<&str> {
    let text = bytes.windows(11).position(|window| window == b"-----BEGIN ").and_then(|at| bytes.get(at + 11..))?;
    let end = text.windows(5).position(|window| window == b"-----")?;
    std::str::from_utf8(text.get(..end)?).ok()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
