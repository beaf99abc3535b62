// process and global, where the source mentions them.

import process from "node:process";
import { install } from "../../platform/install.js";

install({ process, global: globalThis });
