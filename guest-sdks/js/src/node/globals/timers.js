// Timers as Node.js has them, where the source mentions them.

import { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from "node:timers";
import { install } from "../../platform/install.js";

install({ clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout });
