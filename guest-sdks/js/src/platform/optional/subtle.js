// crypto.subtle, where the source mentions it.

import { DigestStream } from "../crypto/digest-stream.js";
import { crypto, provide } from "../crypto/index.js";
import { CryptoKey } from "../crypto/key.js";
import { SubtleCrypto } from "../crypto/subtle.js";
import { install } from "../install.js";

provide(new SubtleCrypto());
crypto.DigestStream = DigestStream;
install({ CryptoKey, SubtleCrypto });
