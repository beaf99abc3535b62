// AES, where the source mentions it.

import { AES_CBC, AES_CTR, AES_GCM, AES_KW } from "../crypto/aes.js";
import { provideAlgorithms } from "../crypto/subtle.js";

provideAlgorithms({ "AES-GCM": AES_GCM, "AES-CBC": AES_CBC, "AES-CTR": AES_CTR, "AES-KW": AES_KW });
