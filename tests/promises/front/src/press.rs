//! Prints what streams through it, and hands on what it is given.

use durable_object::http::StatusCode;
use durable_object::{
    Body, ByteStream, DurableObject, Error, Function, Message, Reference, Request, RequestExt,
    Response, Result, State, WebSocket, WebSocketHandler, methods, response,
};

pub struct Press {
    state: State,
}

impl DurableObject for Press {
    async fn new(state: State) -> Result<Self> {
        Ok(Press { state })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let to = request.query("to").unwrap_or_default();
        let other = self.state.class("press").named(to);
        match request.subpath() {
            "name" => Ok(response::text(self.state.name().unwrap_or_default())),
            "ws" => {
                self.state.websockets().accept(&request, ["any"])?;
                Ok(response::status(StatusCode::SWITCHING_PROTOCOLS))
            }
            // A function goes to the other one, and comes back.
            "back" => {
                let double = Function::new(async |(n,): (u64,)| Ok(2 * n));
                let (double, through): (Reference, u64) = other.call("back", (double,)).await?;
                let doubled: u64 = double.call((21,)).await?;
                Ok(response::text(format!("{doubled} {through}")))
            }
            // One is asked for from two behind the other.
            "from-behind" => {
                let names = ("behind".to_owned(),);
                let add: Reference = other.call("adder_of", names).await?;
                let sum: u64 = add.call((40, 2)).await?;
                Ok(response::text(sum.to_string()))
            }
            "print-twice" => {
                let text = ByteStream::from("once");
                let first: Result<ByteStream> = other.call("print", (&text,)).await;
                let second: Result<ByteStream> = other.call("print", (&text,)).await;
                let first = first?.into_body().text().await?;
                let why = second.err().map(|error| error.message().to_owned());
                Ok(response::text(format!("{first}, {why:?}")))
            }
            "print-broken" => {
                let (mut writer, body) = Body::channel();
                durable_object::spawn(async move {
                    let _ = writer.write("half").await;
                    writer.fail("out of ink");
                });
                let printed: ByteStream = other.call("print", (ByteStream::from(body),)).await?;
                let error = printed.into_body().text().await.unwrap_err();
                Ok(response::text(error.message()))
            }
            _ => Err(Error::status(StatusCode::NOT_FOUND, "no such press")),
        }
    }
}

#[methods]
impl Press {
    /// In capitals, as it comes.
    pub fn print(&self, text: ByteStream) -> ByteStream {
        let mut text = text.into_body();
        let printed = Body::written_by(async move |page| {
            while let Some(part) = text.chunk().await? {
                page.write(part.to_ascii_uppercase()).await?;
            }
            Ok(())
        });
        printed.into()
    }

    pub async fn back(&self, function: Reference) -> Result<(Reference, u64)> {
        let through = function.call((4,)).await?;
        Ok((function, through))
    }

    pub fn adder(&self) -> Function {
        Function::new(async |(a, b): (u64, u64)| Ok(a + b))
    }

    pub async fn adder_of(&self, name: String) -> Result<Reference> {
        self.state
            .class("press")
            .named(name)
            .call("adder", ())
            .await
    }
}

impl WebSocketHandler for Press {
    async fn message(&self, socket: WebSocket, message: Message) -> Result<()> {
        socket.send(message)
    }
}
