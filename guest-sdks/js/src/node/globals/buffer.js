// Buffer, where the source mentions it.

import { Buffer } from "node:buffer";
import { install } from "../../platform/install.js";

install({ Buffer });
