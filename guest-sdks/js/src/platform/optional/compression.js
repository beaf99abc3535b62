// CompressionStream and DecompressionStream, where the source mentions them.

import { install } from "../install.js";
import { CompressionStream, DecompressionStream } from "../streams/compression.js";

install({ CompressionStream, DecompressionStream });
