//! The macros of `durable-object`, which documents and re-exports them.

mod export;
mod methods;
mod row;

use proc_macro::TokenStream;

#[proc_macro]
pub fn export(input: TokenStream) -> TokenStream {
    expanded(syn::parse(input).and_then(export::expand))
}

#[proc_macro_attribute]
pub fn methods(arguments: TokenStream, input: TokenStream) -> TokenStream {
    let parsed = syn::parse::<syn::parse::Nothing>(arguments).and_then(|_| syn::parse(input));
    expanded(parsed.and_then(methods::expand))
}

#[proc_macro_derive(FromRow, attributes(row))]
pub fn from_row(input: TokenStream) -> TokenStream {
    expanded(syn::parse(input).and_then(row::expand))
}

fn expanded(tokens: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    tokens
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
