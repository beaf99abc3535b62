// Where requests and responses pass between the web's classes and the host. What each
// function promises: README.md, "The tree".

import { take } from "./http/body.js";
import { toFields } from "./http/headers.js";
import { sourceOfStream, streamOfSource } from "./streams/index.js";

export { requestOf, stateOfRequest } from "./http/request.js";
export { responseOf, stateOfResponse } from "./http/response.js";
export { readWhole } from "./http/body.js";
export { toFields as fieldsOf, take as takeSource, sourceOfStream as sourceOf, streamOfSource as streamOf };
