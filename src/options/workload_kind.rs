use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    // Not a documentation comment, which would become part of the resource's schema.
    #[derive(Default, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
    pub enum WorkloadKind {
        /// The spelling on kubectl's command line.
        #[cfg(feature = "controller")]
        fn lower_case -> &'static str;
        #[default]
        Deployment = "Deployment" => "deployment",
        StatefulSet = "StatefulSet" => "statefulset",
    }
}
