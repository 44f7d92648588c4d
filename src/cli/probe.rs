//! `probe`: checks whether a controller answers its probes, for images without a shell and curl.

use super::block_on;
use super::output::{print_error, print_result};
use crate::kubernetes::probe;
use crate::options::RawOptions;
use crate::problem::Outcome;
use crate::provider::redact;

pub fn command(raw: &RawOptions) -> u8 {
    let urls = raw.texts("url");
    let page = match urls {
        [url] => probe::page(url),
        _ => Err("one URL is expected, such as http://ai-provider-seed:8080/readyz".to_owned()),
    };
    let page = match page {
        Ok(page) => page,
        Err(message) => {
            print_error(&format!("error: {message}\n"));
            return Outcome::Invalid.exit_code();
        }
    };
    let shown = redact::name(&page.to_string());
    match block_on(probe::until_ok(&page)) {
        Ok(Ok(())) => print_result(&format!("{shown} answers 200\n")),
        Ok(Err(message)) => {
            print_error(&format!("error: {shown} {message}\n"));
            Outcome::Unavailable.exit_code()
        }
        Err(problem) => {
            print_error(&format!("error: {}\n", problem.message));
            Outcome::Internal.exit_code()
        }
    }
}
