//! P11 and all rules of Coder: tests/data/cases.json, run through the built program on a real Postgres.
//! `make test` runs this file on three versions of Postgres.

mod support;

use support::cases::{ConnectAs, run_all};

#[test]
fn every_case_holds() {
    run_all(ConnectAs::SUPERUSER);
}
