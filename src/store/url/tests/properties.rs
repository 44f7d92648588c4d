//! Properties of any text.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,60}|[a-z:/@%#?=&\\[\\], ']{0,60}") {
        let _ = read(&text, &no_variables);
        let _ = read(&format!("postgres://{text}"), &no_variables);
        let _ = read(&format!("host=h user=u {text}"), &no_variables);
    }

    #[test]
    fn an_escaped_url_comes_back(
        user in "[^\0]{1,20}", password in "[^\0]{1,30}", database in "[^\0]{1,20}", port in 1u16..,
        host in "[a-z][a-z0-9-]{0,10}(\\.[a-z]{1,5}){0,3}",
    ) {
        let text = format!("postgres://{}:{}@{host}:{port}/{}", encode(&user), encode(&password), encode(&database));
        let options = ConnectOptions::parse(&text, "X", &no_variables).unwrap();
        prop_assert_eq!(options.user(), user);
        prop_assert_eq!(options.password.as_ref().unwrap().expose_secret(), password);
        prop_assert_eq!(options.database(), database);
        prop_assert_eq!(options.hosts(), &[Host { address: HostAddress::Tcp { name: host, address: None }, port }]);
    }

    #[test]
    fn a_password_that_coder_repairs_is_whole(password in "[a-zA-Z][ -~&&[^:@%\\[]]{0,20}/[ -~&&[^:@]]{0,20}") {
        // After the second @ the host begins; after a colon Coder repairs only the rest.
        let text = format!("postgres://u:{password}@h:5432/d");
        prop_assert_eq!(read(&text, &no_variables), format!("u {} h:5432 d", password));
    }

    /// A distinct password, damaged in any way, appears in no message and no Debug text, not even 8 characters of it.
    #[test]
    fn no_message_has_the_password(
        junk in "[ -~]{0,6}", at in 0usize..14, shape in 0usize..6, end in "(|:x|:5432|/d|/d\\?sslmode=x|/d\\?connect_timeout=q;)",
    ) {
        let mut password = "Sk7QmZ2vXw9TbL".to_owned();
        password.insert_str(at, &junk);
        let text = match shape {
            0 => format!("postgres://u:{password}@h{end}"),
            1 => format!("postgres://{password}@h{end}"),
            2 => format!("postgres://h/d?user=u&password={password}&x={end}"),
            3 => format!("host=h user=u password={password} port={end}"),
            4 => format!("host=h user=u password='{password}' sslmode={end}"),
            _ => format!("mysql://u:{password}@h{end}"),
        };
        let (shown, user) = match ConnectOptions::parse(&text, "X", &no_variables) {
            Ok(mut options) => {
                // A user name may be shown; here it is a misplaced password.
                let user = std::mem::take(&mut options.user);
                if options.database == user { options.database.clear(); }
                (format!("{options:?} {}", options.describe()), user)
            }
            Err(problems) => (format!("{problems:?}"), String::new()),
        };
        let letters: Vec<char> = "Sk7QmZ2vXw9TbL".chars().collect();
        for piece in letters.windows(8) {
            let piece: String = piece.iter().collect();
            prop_assert!(!shown.contains(&piece), "{}: {} ({})", text, shown, user);
        }
    }
}
