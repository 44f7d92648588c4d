use crate::arguments::ExportTexts;
use crate::env::Variable;

pub fn command(_: ExportTexts, _: &[Variable]) -> u8 {
    70
}
