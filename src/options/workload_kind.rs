use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    // Not a documentation comment: it would become a part of the resource's schema.
    #[derive(Default, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
    pub enum WorkloadKind {
        /// As kubectl spells it on a command line.
        #[cfg(feature = "controller")]
        fn lower_case -> &'static str;
        #[default]
        Deployment = "Deployment" => "deployment",
        StatefulSet = "StatefulSet" => "statefulset",
    }
}
