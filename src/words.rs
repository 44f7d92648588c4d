//! Closed lists of words: an enum with one row per variant, with its text and its meaning.

/// Generates an enum, its list `ALL`, its text `as_str`, `Display`, and one function for the last column.
///
/// ```text
/// words! {
///     #[derive(Hash)]
///     pub enum Light {
///         /// What the column means.
///         fn seconds -> u8;
///         Red = "red" => 30,
///         Green = "green" => 20,
///     }
/// }
/// ```
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $(#[$about:meta])*
            fn $column:ident -> $type:ty;
            $($(#[$doc:meta])* $variant:ident = $text:literal => $value:expr,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            #[allow(dead_code, reason = "some lists are only gone through by tests")]
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            $(#[$about])*
            pub const fn $column(self) -> $type {
                match self { $($name::$variant => $value,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;
