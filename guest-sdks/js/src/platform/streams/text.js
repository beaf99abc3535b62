// TextEncoderStream and TextDecoderStream.

import { likeTheWeb } from "../install.js";
import { TextDecoder, TextEncoder } from "../text/coders.js";
import { TransformStream } from "./index.js";

export class TextEncoderStream {
  #transform;

  constructor() {
    const encoder = new TextEncoder();
    let half = ""; // a surrogate, whose other half is in the next chunk
    this.#transform = new TransformStream({
      transform(chunk, controller) {
        const text = half + chunk;
        half = /[\ud800-\udbff]$/.test(text) ? text.at(-1) : "";
        const whole = half ? text.slice(0, -1) : text;
        if (whole) controller.enqueue(encoder.encode(whole));
      },
      flush(controller) {
        if (half) controller.enqueue(encoder.encode(half));
      },
    });
  }

  get encoding() {
    return "utf-8";
  }

  get readable() {
    return this.#transform.readable;
  }

  get writable() {
    return this.#transform.writable;
  }
}

likeTheWeb(TextEncoderStream, "TextEncoderStream");

export class TextDecoderStream {
  #decoder;
  #transform;

  constructor(label, options) {
    const decoder = (this.#decoder = new TextDecoder(label, options));
    this.#transform = new TransformStream({
      transform(chunk, controller) {
        const text = decoder.decode(chunk, { stream: true });
        if (text) controller.enqueue(text);
      },
      flush(controller) {
        const text = decoder.decode();
        if (text) controller.enqueue(text);
      },
    });
  }

  get encoding() {
    return this.#decoder.encoding;
  }

  get fatal() {
    return this.#decoder.fatal;
  }

  get ignoreBOM() {
    return this.#decoder.ignoreBOM;
  }

  get readable() {
    return this.#transform.readable;
  }

  get writable() {
    return this.#transform.writable;
  }
}

likeTheWeb(TextDecoderStream, "TextDecoderStream");
