//! `#[methods]`: public functions of a class become what other objects may call.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, ReceiverKind, Result, ReturnType, Visibility};

pub fn expand(block: ItemImpl) -> Result<TokenStream> {
    if let Some((of, _)) = &block.trait_ {
        let message = "methods stand in a block of their own: impl Class { pub async fn … }";
        return Err(syn::Error::new_spanned(of, message));
    }
    let methods = block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) if matches!(method.vis, Visibility::Public(_)) => Some(method),
        _ => None,
    });
    let arms = methods.map(arm).collect::<Result<Vec<_>>>()?;
    let class = &block.self_ty;
    let (implemented, _, bounds) = block.generics.split_for_impl();
    Ok(quote! {
        #block

        impl #implemented ::durable_object::CallHandler for #class #bounds {
            async fn call(
                &self,
                call: ::durable_object::Call,
            ) -> ::durable_object::Result<::durable_object::Payload> {
                match call.method() {
                    #(#arms)*
                    _ => Err(call.no_such_method()),
                }
            }
        }
    })
}

fn arm(method: &ImplItemFn) -> Result<TokenStream> {
    let signature = &method.sig;
    let Some(FnArg::Receiver(receiver)) = signature.inputs.first() else {
        let message = "a method that others call takes &self; make it private if it is none";
        return Err(syn::Error::new_spanned(signature, message));
    };
    if !matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) {
        let message = "a method that others call takes &self, for events interleave";
        return Err(syn::Error::new_spanned(receiver, message));
    }
    let name = &signature.ident;
    let called = name.to_string();
    let called = called.trim_start_matches("r#");
    let count = signature.inputs.len() - 1;
    let arguments: Vec<_> = (0..count)
        .map(|n| quote::format_ident!("argument_{n}"))
        .collect();
    let waits = signature.asyncness.as_ref().map(|_| quote!(.await));
    let result = quote! { Self::#name(self, #(#arguments),*) #waits };
    let answer = match &signature.output {
        ReturnType::Type(_, type_) if is_result(type_) => quote! { #result? },
        _ => result,
    };
    Ok(quote! {
        #called => {
            let (#(#arguments,)*) = call.arguments()?;
            ::durable_object::Payload::of(&#answer)
        }
    })
}

fn is_result(type_: &syn::Type) -> bool {
    let syn::Type::Path(path) = type_ else {
        return false;
    };
    path.path
        .segments
        .last()
        .is_some_and(|last| last.ident == "Result")
}
