//! `export!(Class: Handlers)`: which classes and which of their handlers a component has.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{LitStr, Path, Result, Token, Type};

/// The optional handlers: the trait, what adds it, and what exports it.
const HANDLERS: [(&str, &str, &str); 3] = [
    ("AlarmHandler", "alarm", "export_alarm"),
    ("CallHandler", "calls", "export_calls"),
    ("WebSocketHandler", "web_sockets", "export_web_sockets"),
];

pub struct Exports {
    gateway: Option<Type>,
    classes: Vec<Class>,
}

/// What stands before the type of the gateway.
mod keyword {
    syn::custom_keyword!(gateway);
}

struct Class {
    name: Option<LitStr>,
    class: Type,
    /// Indices into `HANDLERS`.
    handlers: Vec<usize>,
}

impl Parse for Exports {
    fn parse(input: ParseStream<'_>) -> Result<Exports> {
        let gateway = gateway(input)?;
        let classes = Punctuated::<Class, Token![,]>::parse_terminated(input)?;
        let classes: Vec<Class> = classes.into_iter().collect();
        if classes.is_empty() && gateway.is_none() {
            return Err(input.error("name the class: export!(MyObject)"));
        }
        if classes.len() > 1
            && let Some(unnamed) = classes.iter().find(|class| class.name.is_none())
        {
            let message =
                "with several classes each needs its name: export! { \"room\" => Room, … }";
            return Err(syn::Error::new_spanned(&unnamed.class, message));
        }
        if let (Some(_), Some(class)) = (&gateway, classes.first()) {
            let message =
                "a gateway is a component of its own; export the classes by another crate";
            return Err(syn::Error::new_spanned(&class.class, message));
        }
        Ok(Exports { gateway, classes })
    }
}

fn gateway(input: ParseStream<'_>) -> Result<Option<Type>> {
    // A type may have this name too.
    if !input.peek(keyword::gateway) || input.peek2(Token![:]) || input.peek2(Token![,]) {
        return Ok(None);
    }
    input.parse::<keyword::gateway>()?;
    let gateway = input.parse()?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(Some(gateway))
}

impl Parse for Class {
    fn parse(input: ParseStream<'_>) -> Result<Class> {
        let name = match input.peek(LitStr) {
            true => {
                let name = input.parse()?;
                input.parse::<Token![=>]>()?;
                Some(name)
            }
            false => None,
        };
        let class = input.parse()?;
        let mut handlers = Vec::new();
        if input.parse::<Option<Token![:]>>()?.is_some() {
            for handler in Punctuated::<Path, Token![+]>::parse_separated_nonempty(input)? {
                handlers.push(index_of(&handler)?);
            }
        }
        Ok(Class {
            name,
            class,
            handlers,
        })
    }
}

fn index_of(handler: &Path) -> Result<usize> {
    let name = handler
        .segments
        .last()
        .map(|segment| segment.ident.to_string());
    let found = HANDLERS
        .iter()
        .position(|(known, ..)| name.as_deref() == Some(*known));
    found.ok_or_else(|| {
        let known = HANDLERS.map(|(known, ..)| known).join(", ");
        syn::Error::new_spanned(handler, format!("no handler; there are {known}"))
    })
}

pub fn expand(Exports { gateway, classes }: Exports) -> Result<TokenStream> {
    let starts = classes.iter().map(
        |Class {
             class, handlers, ..
         }| {
            let adds = handlers
                .iter()
                .map(|index| format_ident!("{}", HANDLERS[*index].1));
            quote! { ::durable_object::__private::start::<#class>(|object| object #(.#adds())*) }
        },
    );
    let start = match classes.first() {
        Some(Class { name: None, .. }) => quote! { #(#starts)* },
        _ => {
            let names: Vec<_> = classes.iter().map(|class| &class.name).collect();
            quote! {
                match class {
                    #(#names => #starts,)*
                    _ => ::durable_object::__private::Started::unknown(class, &[#(#names),*]),
                }
            }
        }
    };
    let exported = (0..HANDLERS.len())
        .filter(|index| classes.iter().any(|class| class.handlers.contains(index)))
        .map(|index| format_ident!("{}", HANDLERS[index].2));
    let exported = exported.chain([format_ident!("export_fetch")]);
    // A gateway alone has nothing of an object.
    let object = (!classes.is_empty()).then(|| {
        quote! {
            #[cfg(target_family = "wasm")]
            ::durable_object::__private::export_object!(
                Component with_types_in ::durable_object::__private::bindings
            );
        }
    });
    let gateway = gateway.map(|gateway| {
        quote! {
            fn gateway() -> ::durable_object::Result<
                ::std::rc::Rc<dyn ::durable_object::__private::Front>,
            > {
                ::durable_object::__private::front::<#gateway>()
            }
        }
    });
    let names = declared_names(&classes);
    let forgotten = classes.iter().flat_map(forgotten);
    Ok(quote! {
        const _: () = {
            pub struct Classes;

            impl ::durable_object::__private::Classes for Classes {
                fn start(class: &str) -> ::durable_object::__private::Started {
                    let _ = class;
                    #start
                }

                #gateway
            }

            // Natively there is nothing to export to.
            #[cfg(not(target_family = "wasm"))]
            const _: (
                fn(&str) -> ::durable_object::__private::Started,
                fn() -> ::durable_object::Result<
                    ::std::rc::Rc<dyn ::durable_object::__private::Front>,
                >,
            ) = (
                <Classes as ::durable_object::__private::Classes>::start,
                <Classes as ::durable_object::__private::Classes>::gateway,
            );

            #[cfg(target_family = "wasm")]
            type Component = ::durable_object::__private::Component<Classes>;
            #object
            #(
                #[cfg(target_family = "wasm")]
                ::durable_object::__private::#exported!(Component);
            )*
        };
        #names
        #(#forgotten)*
    })
}

/// Writes the names into a section of the component where hosts look for them.
fn declared_names(classes: &[Class]) -> TokenStream {
    let names = classes.iter().filter_map(|class| class.name.as_ref());
    let names: String = names.map(|name| name.value() + "\n").collect();
    match names.is_empty() {
        true => TokenStream::new(),
        false => section("durable-object:classes", &names),
    }
}

fn section(name: &str, text: &str) -> TokenStream {
    let bytes = proc_macro2::Literal::byte_string(text.as_bytes());
    let length = text.len();
    quote! {
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[used]
            #[unsafe(link_section = #name)]
            static TEXT: [u8; #length] = *#bytes;
        };
    }
}

/// Refuses to compile when the class implements a handler that is not listed: no
/// event would ever reach it.
fn forgotten(class: &Class) -> impl Iterator<Item = TokenStream> + '_ {
    let unlisted = (0..HANDLERS.len()).filter(|index| !class.handlers.contains(index));
    unlisted.map(|index| {
        let handler = format_ident!("{}", HANDLERS[index].0);
        let type_ = &class.class;
        let shown = quote!(#type_).to_string();
        // All that it needs: what is listed already, too.
        let all = (0..HANDLERS.len()).filter(|it| *it == index || class.handlers.contains(it));
        let all: Vec<_> = all.map(|it| HANDLERS[it].0).collect();
        let message = format!(
            "{shown} implements {handler}, which export! does not list; write {shown}: {}",
            all.join(" + ")
        );
        quote! {
            const _: () = {
                trait Unimplemented {
                    const IS_IMPLEMENTED: bool = false;
                }
                impl<T> Unimplemented for Probe<T> {}
                struct Probe<T>(::core::marker::PhantomData<T>);
                #[allow(dead_code)]
                impl<T: ::durable_object::#handler> Probe<T> {
                    const IS_IMPLEMENTED: bool = true;
                }
                assert!(!Probe::<#type_>::IS_IMPLEMENTED, #message);
            };
        }
    })
}
