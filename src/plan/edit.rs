use serde::Serialize;

/// One variable to change so that the environment agrees with the database.
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
    /// To Coder's value, which is not shown.
    SetSecret,
    /// One variable a field is not enough: the provider has to be described whole. Left in a result where no variables can.
    #[serde(rename = "describe_anew")]
    Redescribe,
}
