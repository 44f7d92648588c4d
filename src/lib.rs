//! Brings the AI providers of a Coder environment and its Postgres database together. The modules are described in
//! docs/architecture.md.

mod cli;
mod env;
mod explain;
mod identity;
#[cfg(feature = "controller")]
mod kubernetes;
mod options;
mod plan;
mod problem;
mod provider;
mod report;
mod run;
mod store;
mod words;

pub use cli::run;
pub use env::Variable;

/// The parts of the crate that only tests, examples, benchmarks and fuzz targets use. All other items are private, so
/// that the compiler reports dead code.
#[doc(hidden)]
pub mod testing {
    pub mod cli {
        pub use crate::cli::style;
    }
    pub mod env {
        pub use crate::env::{Environment, Variable, parse_dotenv};
    }
    pub mod identity {
        pub use crate::identity::{DOCS, ORGANISATION, REGISTRY};
    }
    #[cfg(feature = "controller")]
    pub mod kubernetes {
        pub mod listen {
            pub use crate::kubernetes::{ListenerLimits, ListenerMetrics, Listeners, Rechecks, Scope};
        }
        pub mod crd {
            pub use crate::kubernetes::crd::rbac;
            pub mod spec {
                pub use crate::kubernetes::crd::spec::*;
            }
            pub mod status {
                pub use crate::kubernetes::crd::status::*;
            }
        }
    }
    pub mod options {
        pub use crate::options::variable_name;
    }
    pub mod problem {
        pub use crate::problem::{Code, Outcome, Problem};
    }
    pub mod provider {
        pub use crate::provider::{BedrockSettings, check_name};
    }
    pub mod store {
        pub mod connect {
            pub use crate::store::connect::{
                ConnectionSource, Connector, RetryBudget, Session, SessionIntent, full_jitter,
            };
        }
        pub mod dbcrypt {
            pub use crate::store::dbcrypt::Keyring;
        }
        pub mod error {
            pub use crate::store::error::{Error, Retry};
        }
        #[cfg(feature = "failpoints")]
        pub mod failpoint {
            pub use crate::store::failpoint::Step;
        }
        #[cfg(feature = "controller")]
        pub mod pool {
            pub use crate::store::pool::{Pool, Wanted};
        }
        #[cfg(feature = "bench")]
        pub mod snapshot {
            pub use crate::store::snapshot::statement_of_a_seed;
        }
        #[cfg(feature = "bench")]
        pub mod transaction {
            pub use crate::store::transaction::begin_read_only;
        }
        pub mod url {
            pub use crate::store::url::{ConnectOptions, Identity, Pem};
        }
    }
}
