//! How the host's events reach the object: the component's exports.

#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
mod component;
mod dispatch;

#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
pub use component::Component;
pub use dispatch::{Classes, Started, start};

/// Makes the component's classes known to the host. Use it once, in the crate that
/// is built as a component (`crate-type = ["cdylib"]`).
///
/// With one class, objects of any class name that the host's configuration gives
/// to this component are of that type:
///
/// ```
/// # use durable_object::{DurableObject, Request, Response, Result, State};
/// # struct Counter;
/// # impl DurableObject for Counter {
/// #     async fn new(_: State) -> Result<Self> { Ok(Counter) }
/// #     async fn fetch(&self, _: Request) -> Result<Response> { Ok(Response::default()) }
/// # }
/// durable_object::export!(Counter);
/// # fn main() {}
/// ```
///
/// With several, the class name chooses; a name that is not listed fails when the
/// object starts:
///
/// ```
/// # use durable_object::{DurableObject, Request, Response, Result, State};
/// # struct Counter;
/// # impl DurableObject for Counter {
/// #     async fn new(_: State) -> Result<Self> { Ok(Counter) }
/// #     async fn fetch(&self, _: Request) -> Result<Response> { Ok(Response::default()) }
/// # }
/// # type Room = Counter;
/// durable_object::export! {
///     "counter" => Counter,
///     "room" => Room,
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    ($($name:literal => $class:ty),+ $(,)?) => {
        $crate::__export_classes! {
            class => match class {
                $($name => $crate::__private::start::<$class>(),)+
                _ => $crate::__private::Started::unknown(class, &[$($name),+]),
            }
        }
    };
    ($class:ty $(,)?) => {
        $crate::__export_classes! { _class => $crate::__private::start::<$class>() }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_classes {
    ($name:ident => $start:expr) => {
        const _: () = {
            #[allow(dead_code)]
            pub struct Classes;

            impl $crate::__private::Classes for Classes {
                fn start($name: &str) -> $crate::__private::Started {
                    $start
                }
            }

            // Natively there is nothing to export to.
            #[cfg(target_family = "wasm")]
            type Component = $crate::__private::Component<Classes>;
            #[cfg(target_family = "wasm")]
            $crate::__private::bindings::export_component!(
                Component with_types_in $crate::__private::bindings
            );
        };
    };
}
