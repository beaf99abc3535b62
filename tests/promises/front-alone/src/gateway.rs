//! Lets those in who have a key.

use std::cell::Cell;

use durable_object::http::StatusCode;
use durable_object::{
    ByteStream, Error, Gateway, Objects, Request, RequestExt, Response, Result, response, sleep,
};

pub struct Front {
    objects: Objects,
    seen: Cell<u64>,
}

impl Gateway for Front {
    fn new(objects: Objects) -> Result<Self> {
        Ok(Front {
            objects,
            seen: Cell::new(0),
        })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.seen.set(self.seen.get() + 1);
        let path = request.uri().path().to_owned();
        let mut segments = path.split('/').skip(1);
        let (what, name) = (segments.next(), segments.next().unwrap_or_default());
        let object = self.objects.class("press").named(name);
        match what {
            Some("to") if request.query("key").as_deref() == Some("sesame") => {
                object.fetch(request).await
            }
            Some("to") => Err(Error::status(StatusCode::FORBIDDEN, "it has no key")),
            Some("print") => {
                let text = ByteStream::from(request.into_body());
                let printed: ByteStream = object.call("print", (text,)).await?;
                Ok(Response::new(printed.into_body()))
            }
            Some("seen") => Ok(response::text(self.seen.get().to_string())),
            Some("hold") => {
                println!("holding a request");
                sleep(std::time::Duration::from_secs(60)).await;
                Ok(response::text("held"))
            }
            Some("fail") => Err("the gateway failed".into()),
            Some("panic") => panic!("the gateway fell"),
            _ => Err(Error::status(StatusCode::NOT_FOUND, "no such place")),
        }
    }
}
