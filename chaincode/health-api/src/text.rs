//! Types that are a text in JSON: read by their own `FromStr`, written by their own `Display`.

/// Has serde read and write these types as text (`try_from` and `into` of `String`).
macro_rules! as_text {
    ($($name:ident)+) => {$(
        impl TryFrom<String> for $name {
            type Error = $crate::HealthError;
            fn try_from(text: String) -> Result<Self, $crate::HealthError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )+};
}
pub(crate) use as_text;
