// Elliptic curves, where the source mentions them.

import { ECDH, ECDSA, Ed25519, X25519 } from "../crypto/curves.js";
import { provideAlgorithms } from "../crypto/subtle.js";

provideAlgorithms({ ECDH, ECDSA, Ed25519, X25519, "NODE-ED25519": Ed25519 });
