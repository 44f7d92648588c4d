//! Turns the result of a check into the status of the resource: functions of values.

pub mod conditions;
pub mod last_agreed;
pub mod observation;
pub mod resolve_annotation;
pub mod shown;
pub mod write_result;
