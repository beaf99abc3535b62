//! How is a promise kept in every language?

/// Tests the promises in this list, functions that take a `Language`, with the guest
/// of each language in turn.
#[macro_export]
macro_rules! in_each_language {
    ($($promise:ident),* $(,)?) => {
        $crate::in_each_language! { @ rust Rust $($promise)* }
        $crate::in_each_language! { @ go Go $($promise)* }
        $crate::in_each_language! { @ python Python $($promise)* }
        $crate::in_each_language! { @ javascript JavaScript $($promise)* }
    };
    (@ $module:ident $language:ident $($promise:ident)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise($crate::Language::$language).await;
                }
            )*
        }
    };
}
