//! Which signatures are verified: ring's, and ECDSA on the curve P-521, which ring does not know and some installers use for
//! the certificates of their databases.

use p521::ecdsa::signature::hazmat::PrehashVerifier;
use p521::ecdsa::{DerSignature, VerifyingKey};
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest, Sha256, Sha384, Sha512};
use webpki::ring as of_ring;

/// The list of rustls for ring, and P-521. In TLS 1.2 a scheme says nothing about the curve.
pub(super) static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        of_ring::ECDSA_P256_SHA256,
        of_ring::ECDSA_P256_SHA384,
        of_ring::ECDSA_P384_SHA256,
        of_ring::ECDSA_P384_SHA384,
        &P521_SHA256,
        &P521_SHA384,
        &P521_SHA512,
        of_ring::ED25519,
        of_ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        of_ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        of_ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        of_ring::RSA_PKCS1_2048_8192_SHA256,
        of_ring::RSA_PKCS1_2048_8192_SHA384,
        of_ring::RSA_PKCS1_2048_8192_SHA512,
        of_ring::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        of_ring::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        of_ring::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[of_ring::ECDSA_P384_SHA384, of_ring::ECDSA_P256_SHA384, &P521_SHA384],
        ),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[of_ring::ECDSA_P256_SHA256, of_ring::ECDSA_P384_SHA256, &P521_SHA256],
        ),
        (SignatureScheme::ECDSA_NISTP521_SHA512, &[&P521_SHA512]),
        (SignatureScheme::ED25519, &[of_ring::ED25519]),
        (SignatureScheme::RSA_PSS_SHA512, &[of_ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[of_ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[of_ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[of_ring::RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[of_ring::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[of_ring::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

static P521_SHA256: P521 = P521 { signature: alg_id::ECDSA_SHA256, hash: |message| Sha256::digest(message).to_vec() };
static P521_SHA384: P521 = P521 { signature: alg_id::ECDSA_SHA384, hash: |message| Sha384::digest(message).to_vec() };
static P521_SHA512: P521 = P521 { signature: alg_id::ECDSA_SHA512, hash: |message| Sha512::digest(message).to_vec() };

#[derive(Debug)]
struct P521 {
    signature: AlgorithmIdentifier,
    hash: fn(&[u8]) -> Vec<u8>,
}

impl SignatureVerificationAlgorithm for P521 {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::from_bytes(signature).map_err(|_| InvalidSignature)?;
        key.verify_prehash(&(self.hash)(message), &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}
