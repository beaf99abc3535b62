//! How does an object get a static file, by the binding of the folder?

use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderValue, IF_NONE_MATCH, LOCATION, RANGE};
use url::Url;

use super::{Answer, Assets, Missing, Wanted};
use crate::object::error::ObjectError;
use crate::object::event::{Request, Response};
use crate::outbound::redirect::Redirects;

/// How often an object is led on before it gets an error.
const FOLLOWED_MAX: usize = 20;

impl Assets {
    /// Answers an object. What is not there is an answer too.
    pub async fn fetch(
        &self,
        request: Request,
        redirects: Redirects,
    ) -> Result<Response, ObjectError> {
        let Request {
            method,
            url: address,
            headers,
            ..
        } = request;
        let refused = |why: &str| ObjectError::type_error(format!("the address {address:?} {why}"));
        let mut url = Url::parse(&address).map_err(|error| refused(&error.to_string()))?;
        let method = match &*method {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            _ => return Ok(Answer::not_allowed().into()),
        };
        let named = |wanted: &str| headers.iter().find(|(name, _)| name == wanted);
        let known = named(IF_NONE_MATCH.as_str());
        let known = known.and_then(|(_, value)| HeaderValue::from_bytes(value).ok());
        let is_public = ![AUTHORIZATION, RANGE]
            .iter()
            .any(|it| named(it.as_str()).is_some());
        for _ in 0..FOLLOWED_MAX {
            let wanted = Wanted {
                method: method.clone(),
                host: url.host_str().unwrap_or_default().into(),
                path: url.path().into(),
                query: url.query().map(Into::into),
                missing: Missing::Page,
                known: known.clone(),
                is_public,
            };
            let answer = self.answer(wanted).await.unwrap_or_else(Answer::not_found);
            let place = answer.headers.get(LOCATION);
            let place = place.and_then(|it| it.to_str().ok());
            let place = place.map(|place| url.join(place)).transpose();
            let place = place.map_err(|error| refused(&error.to_string()))?;
            match (place, redirects) {
                (Some(place), Redirects::Follow) if place.host_str() == url.host_str() => {
                    url = place;
                }
                (Some(place), Redirects::Error) => {
                    return Err(refused(&format!("sends the client to {place}")));
                }
                // What lies on another host is for the client to get.
                _ => return Ok(answer.into()),
            }
        }
        Err(refused("leads on and on"))
    }
}
