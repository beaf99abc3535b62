// Which globals must be there before libraries are loaded?

import "./stacks.js";
import { TextDecoder, TextEncoder } from "./text/coders.js";
import { install } from "./install.js";

install({ TextDecoder, TextEncoder });
