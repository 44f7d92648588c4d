//! Values that cannot be an AWS region by their form. There is no list of regions, since AWS adds new ones.

use super::characters::{oddity, spot};
use crate::env::suggest::nearest;

/// The word before the number in every region's name.
const DIRECTIONS: [&str; 9] =
    ["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];

/// The fault of the region, without its value. `None` for an empty one, which is not set.
pub fn fault(region: &str) -> Option<String> {
    if region.is_empty() {
        return None;
    }
    if let Some(odd) = oddity(region) {
        return Some(odd);
    }
    let number = region.rsplit('-').next().unwrap_or_default();
    if region.contains("://") {
        return Some("a URL".to_owned());
    }
    if region.starts_with("arn:") {
        return Some("an ARN".to_owned());
    }
    if region.contains('=') {
        return Some("it begins with a name and \"=\"".to_owned());
    }
    if region.contains([',', ';']) {
        return Some("more than one region".to_owned());
    }
    if let Some(odd) = spot(region, |c| c.is_ascii_uppercase()) {
        return Some(format!("{odd}: regions are written in small letters"));
    }
    if let Some(odd) = spot(region, |c| c == '_' || c == '.' || c == ' ') {
        return Some(format!("{odd}: the words of a region are joined by \"-\""));
    }
    if let Some(odd) = spot(region, |c| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-') {
        return Some(odd);
    }
    let zone = number.strip_suffix(|c: char| c.is_ascii_lowercase()).is_some_and(is_number);
    if zone && region.split('-').count() >= 3 {
        return Some("an availability zone: a region ends in its number, without a letter".to_owned());
    }
    of_form(region)
}

/// `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`.
fn of_form(region: &str) -> Option<String> {
    let parts: Vec<&str> = region.split('-').collect();
    let [first, middle @ .., direction, number] = &parts[..] else { return Some(not_aws()) };
    let country = (2..=4).contains(&first.len()) && is_word(first);
    if !country || middle.len() > 1 || !middle.iter().all(|word| is_word(word)) || !is_number(number) {
        return Some(not_aws());
    }
    if DIRECTIONS.contains(direction) {
        return None;
    }
    Some(match nearest(direction, DIRECTIONS) {
        Some(meant) => format!("no region has such a word before its number; did you mean \"{meant}\"?"),
        None => not_aws(),
    })
}

fn not_aws() -> String {
    "not the form of an AWS region".to_owned()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn is_number(text: &str) -> bool {
    (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::fault;

    /// Every AWS region of 2026, in every partition.
    #[test]
    fn every_region_of_aws_is_plain() {
        let regions = "us-east-1 us-east-2 us-west-1 us-west-2 af-south-1 ap-east-1 ap-east-2 ap-south-1 ap-south-2 \
             ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 \
             ap-northeast-1 ap-northeast-2 ap-northeast-3 ca-central-1 ca-west-1 eu-central-1 eu-central-2 eu-west-1 \
             eu-west-2 eu-west-3 eu-south-1 eu-south-2 eu-north-1 il-central-1 me-south-1 me-central-1 mx-central-1 \
             sa-east-1 us-gov-east-1 us-gov-west-1 cn-north-1 cn-northwest-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 \
             us-isob-west-1 eu-isoe-west-1 us-isof-south-1 us-isof-east-1 eusc-de-east-1";
        for region in regions.split_whitespace() {
            assert_eq!(fault(region), None, "{region}");
        }
        assert_eq!(fault(""), None);
    }
}
