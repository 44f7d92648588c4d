//! Certificates for tests, made when they are needed.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SigningKey,
    date_time_ymd,
};

pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// PEM.
pub struct Pair {
    pub certificates: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// Its private key, PEM.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    pub fn issue(&self, hosts: &[&str]) -> Pair {
        self.sign(&params("server", hosts))
    }

    /// Valid from the beginning of one year to that of another.
    pub fn issue_between(&self, hosts: &[&str], years: (i32, i32)) -> Pair {
        self.sign(&between(params("server", hosts), years))
    }

    /// For a client: the common name is the role.
    pub fn issue_named(&self, role: &str) -> Pair {
        self.sign(&params(role, &[]))
    }

    /// The same, valid from the beginning of one year to that of another.
    pub fn issue_named_between(&self, role: &str, years: (i32, i32)) -> Pair {
        self.sign(&between(params(role, &[]), years))
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair { certificates: certificate.pem(), key: key.serialize_pem() }
    }
}

/// As `openssl req -x509` makes it (then it is a CA), or one that is not a CA.
pub fn self_signed(hosts: &[&str], is_ca: bool) -> Pair {
    let mut params = params("server", hosts);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    Pair { certificates: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// As older `openssl x509 -req` makes it: version 1, without any extension. rcgen makes only version 3, so this decodes
/// one, removes version and extensions, and signs the rest.
pub fn version_one() -> Pair {
    let key = KeyPair::generate().unwrap();
    let der = params("server", &[]).self_signed(&key).unwrap().der().to_vec();
    let outer = elements(content(&der));
    let (signed, algorithm) = (elements(content(outer[0])), outer[1]);
    let kept: Vec<u8> =
        signed.into_iter().filter(|element| ![0xa0, 0xa3].contains(&element[0])).flatten().copied().collect();
    let signed = element(0x30, &kept);
    let mut signature = vec![0];
    signature.extend(key.sign(&signed).unwrap());
    let certificate = element(0x30, &[&signed, algorithm, &element(0x03, &signature)[..]].concat());
    Pair { certificates: pem(&certificate), key: key.serialize_pem() }
}

fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let name = |host: &&str| match host.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(Ia5String::try_from(*host).unwrap()),
    };
    params.subject_alt_names = hosts.iter().map(name).collect();
    params
}

fn between(mut params: CertificateParams, (from, to): (i32, i32)) -> CertificateParams {
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

/// The length of a DER element's header and of the whole element.
fn measure(der: &[u8]) -> (usize, usize) {
    let first = usize::from(der[1]);
    if first < 0x80 {
        return (2, 2 + first);
    }
    let header = 2 + (first & 0x7f);
    (header, der[2..header].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)) + header)
}

fn content(der: &[u8]) -> &[u8] {
    &der[measure(der).0..measure(der).1]
}

fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while !der.is_empty() {
        let (one, rest) = der.split_at(measure(der).1);
        all.push(one);
        der = rest;
    }
    all
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, length[0], length[1]], content].concat()
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
