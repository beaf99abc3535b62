// node:stream/promises.

import stream from "readable-stream/lib/stream.js";

export const { pipeline, finished } = stream.promises;
export default stream.promises;
