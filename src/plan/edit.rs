use serde::Serialize;

/// One change to a variable that makes the environment agree with the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VariableEdit {
    pub provider: String,
    pub variable: String,
    #[serde(flatten)]
    pub edit: Edit,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Edit {
    Set {
        value: String,
    },
    Unset,
    /// Set to Coder's value, which is not shown.
    SetSecret,
    /// One variable per field is not enough: the provider must be described as a whole. This remains in a result if no
    /// variables can.
    #[serde(rename = "describe_anew")]
    Redescribe,
}
