//! `#[derive(FromRow)]`: one column for each field, by its name.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Field, Fields, LitStr, Result};

pub fn expand(input: DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        let message =
            "only a struct can be read from a row; for one value of several implement FromValue";
        return Err(syn::Error::new_spanned(&input.ident, message));
    };
    let Fields::Named(fields) = &data.fields else {
        let message = "fields need names, which are those of the columns; for others read a tuple";
        return Err(syn::Error::new_spanned(&input.ident, message));
    };
    let reads = fields.named.iter().map(read).collect::<Result<Vec<_>>>()?;
    let name = &input.ident;
    let (implemented, generics, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #implemented ::durable_object::FromRow for #name #generics #bounds {
            fn from_row(mut row: ::durable_object::Row) -> ::durable_object::Result<Self> {
                let _ = &mut row;
                Ok(Self { #(#reads),* })
            }
        }
    })
}

/// `#[row(rename = "x")]`, `#[row(default)]` and `#[row(json)]` change how a field is
/// read.
fn read(field: &Field) -> Result<TokenStream> {
    let name = field.ident.as_ref().expect("the field of a named struct");
    let mut column = name.to_string().trim_start_matches("r#").to_owned();
    let (mut has_default, mut is_json) = (false, false);
    for attribute in field.attrs.iter().filter(|it| it.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                column = meta.value()?.parse::<LitStr>()?.value();
            } else if meta.path.is_ident("default") {
                has_default = true;
            } else if meta.path.is_ident("json") {
                is_json = true;
            } else {
                return Err(meta.error("there are rename = \"column\", default and json"));
            }
            Ok(())
        })?;
    }
    // A type that cannot be read is told of where the field stands.
    let span = field.ty.span().resolved_at(Span::call_site());
    let take = match is_json {
        true => quote_spanned! { span=> row.take_json(#column)? },
        false => quote_spanned! { span=> row.take(#column)? },
    };
    Ok(match has_default {
        true => quote! {
            #name: match row.has(#column) {
                true => #take,
                false => ::core::default::Default::default(),
            }
        },
        false => quote! { #name: #take },
    })
}
