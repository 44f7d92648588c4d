//! Coder's rules from the environment to the rows: tests/data/cases.json, run through the built program on a real
//! Postgres. `make test` runs this file on three versions of it.
//!
//! Beside the file's expectations, after every step: `diff` predicted what `seed` then did (and wrote nothing), each new
//! row has exactly one audit row, a second run writes nothing, a failed run writes nothing, and no credential was
//! printed.

use crate::support::cases::{ConnectAs, run_all};

#[test]
fn every_case_holds() {
    run_all(ConnectAs::SUPERUSER);
}

#[test]
fn every_case_holds_for_the_small_roles() {
    run_all(ConnectAs::SMALL_ROLES);
}

#[test]
fn every_case_holds_for_roles_created_before_the_tables() {
    run_all(ConnectAs::SMALL_ROLES_BEFORE_TABLES);
}
