//! `#[methods]`: public functions of a class become what other objects may call.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    FnArg, GenericParam, ImplItem, ImplItemFn, ItemImpl, ReceiverKind, Result, ReturnType,
    Signature, Type, Visibility,
};

/// Names under which hosts let no method be called, see `wit/rpc-handler.wit`.
const RESERVED: [&str; 7] = [
    "alarm",
    "fetch",
    "webSocketMessage",
    "webSocketClose",
    "webSocketError",
    "constructor",
    "dup",
];

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
    if RESERVED.contains(&called) {
        let message = format!("{called:?} is reserved: no host calls a method of this name");
        return Err(syn::Error::new_spanned(name, message));
    }
    let types = types(signature)?;
    // What serde does not know is told of where the method stands.
    let span = name.span().resolved_at(Span::call_site());
    let count = signature.inputs.len() - 1;
    let arguments: Vec<_> = (0..count)
        .map(|n| quote::format_ident!("argument_{n}"))
        .collect();
    let waits = signature.asyncness.as_ref().map(|_| quote!(.await));
    let result = quote_spanned! { span=> Self::#name(self, #(#arguments),*) #waits };
    let answer = match &signature.output {
        ReturnType::Type(_, type_) if is_result(type_) => quote_spanned! { span=> #result? },
        _ => result,
    };
    let read = quote_spanned!(span=> call.arguments::<(#(#types,)*)>()?);
    let written = quote_spanned!(span=> ::durable_object::Payload::of(&#answer));
    Ok(quote! {
        #called => {
            let (#(#arguments,)*) = #read;
            #written
        }
    })
}

/// The types of the arguments. They are read from what another object sent, so they are
/// known and own what they hold.
fn types(signature: &Signature) -> Result<Vec<&Type>> {
    let is_type = |parameter: &&GenericParam| !matches!(parameter, GenericParam::Lifetime(_));
    if let Some(generic) = signature.generics.params.iter().find(is_type) {
        let message = "a method that others call is not generic: they could not say for what";
        return Err(syn::Error::new_spanned(generic, message));
    }
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => Some(&*argument.ty),
        FnArg::Receiver(_) => None,
    });
    typed
        .map(|type_| match type_ {
            Type::Reference(reference) => Err(syn::Error::new_spanned(type_, owned(reference))),
            Type::ImplTrait(_) => {
                let message = "a method that others call is not generic: name the type";
                Err(syn::Error::new_spanned(type_, message))
            }
            _ => Ok(type_),
        })
        .collect()
}

/// What to write in place of a reference.
fn owned(reference: &syn::TypeReference) -> String {
    let instead = match &*reference.elem {
        Type::Path(path) if path.path.is_ident("str") => "String",
        Type::Slice(_) => "a Vec",
        _ => "it by value",
    };
    format!("arguments come from another object, so a method owns them: take {instead}")
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
