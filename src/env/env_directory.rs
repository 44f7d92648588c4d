//! `--env-file` with a directory: a mounted Secret or ConfigMap, one file per variable.

use std::io::Read;
use std::path::Path;

use super::size::MAX_FILE_VARIABLES;
use super::variable::Variable;
use crate::provider::{Source, redact};

/// The reason why a directory is not read; the text follows the directory's name.
#[derive(Debug, PartialEq, Eq)]
pub enum DirectoryError {
    Invalid(String),
    /// The files exceed the limit in number or bytes.
    TooLarge(String),
}

/// The variables in the order of their names. Each value is the file's content, unchanged, as the kubelet would set it.
/// Files whose name begins with a dot (`..data` and its target) and directories are skipped. `limit`: bytes of all files.
pub fn read(directory: &Path, limit: u64) -> Result<Vec<Variable>, DirectoryError> {
    let unreadable = |what: &str| {
        DirectoryError::Invalid(format!("{what} cannot be read; make it readable for the user of this container"))
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|_| unreadable("the directory"))? {
        let name = entry.map_err(|_| unreadable("the directory"))?.file_name();
        if !name.to_string_lossy().starts_with('.') {
            names.push(name);
        }
        if names.len() > MAX_FILE_VARIABLES {
            return Err(DirectoryError::TooLarge(format!(
                "more than {MAX_FILE_VARIABLES} variables; remove those that describe no provider"
            )));
        }
    }
    names.sort();
    let mut left = limit;
    let mut variables = Vec::new();
    for name in names {
        let path = directory.join(&name);
        let shown = redact::name(&name.to_string_lossy());
        // Follows the links of a mounted Secret. Reading anything but a file could block forever.
        if !std::fs::metadata(&path).map_err(|_| unreadable(&shown))?.is_file() {
            continue;
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path).map_err(|_| unreadable(&shown))?;
        let size = file.take(left + 1).read_to_end(&mut bytes).map_err(|_| unreadable(&shown))? as u64;
        if size > left {
            return Err(DirectoryError::TooLarge(format!(
                "more than {limit} bytes; remove everything that is not a variable"
            )));
        }
        left -= size;
        let (Some(name), Ok(text)) = (name.to_str(), String::from_utf8(bytes)) else {
            variables.push(Variable::not_unicode(name.to_string_lossy(), Source::EnvFile));
            continue;
        };
        if text.contains('\0') {
            let message = format!("the value of {shown} holds a NUL character; Postgres cannot store it");
            return Err(DirectoryError::Invalid(message));
        }
        variables.push(Variable::new(name, text, Source::EnvFile));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kubelet mounts a Secret: links to `..data`, which links to a directory with a date in its name.
    #[test]
    fn mounted_secret_is_read_as_the_kubelet_gives_it() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let data = path.join("..2026_11_25_20_00_00.1");
        std::fs::create_dir(&data).unwrap();
        for (name, value) in [("B_KEY", &b"two\n"[..]), ("A_KEY", b"one"), ("BAD", b"\xff")] {
            std::fs::write(data.join(name), value).unwrap();
            symlink(format!("..data/{name}"), path.join(name)).unwrap();
        }
        symlink("..2026_11_25_20_00_00.1", path.join("..data")).unwrap();
        std::fs::create_dir(path.join("directory")).unwrap();
        std::fs::write(path.join(".hidden"), "no variable").unwrap();
        let read = read(path, 64).unwrap();
        let read: Vec<(&str, Option<&str>)> = read.iter().map(|v| (v.name.as_str(), v.value())).collect();
        assert_eq!(read, [("A_KEY", Some("one")), ("BAD", None), ("B_KEY", Some("two\n"))]);
        let invalid = || match super::read(path, 64) {
            Err(DirectoryError::Invalid(message)) => message,
            other => format!("{:?}", other.map(|variables| variables.len())),
        };
        std::fs::write(path.join("C"), "a\0b").unwrap();
        assert!(invalid().starts_with("the value of C holds a NUL"), "{}", invalid());
        symlink("nowhere", path.join("A")).unwrap();
        assert!(invalid().starts_with("A cannot be read"), "{}", invalid());
    }

    #[test]
    fn files_of_a_directory_are_bounded_in_size_and_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let too_large = |limit| match read(path, limit) {
            Err(DirectoryError::TooLarge(message)) => message,
            other => format!("{:?}", other.map(|variables| variables.len())),
        };
        for n in 0..MAX_FILE_VARIABLES {
            std::fs::write(path.join(format!("A{n}")), if n < 8 { "x" } else { "" }).unwrap();
        }
        assert_eq!(too_large(8), "Ok(16384)");
        assert!(too_large(7).starts_with("more than 7 bytes"), "{}", too_large(7));
        std::fs::write(path.join("B"), "").unwrap();
        assert!(too_large(8).starts_with("more than 16384 variables"), "{}", too_large(8));
    }
}
