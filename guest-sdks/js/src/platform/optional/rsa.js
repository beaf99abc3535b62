// RSA, where the source mentions it.

import { OAEP, PKCS1, PSS } from "../crypto/rsa.js";
import { provideAlgorithms } from "../crypto/subtle.js";

provideAlgorithms({ "RSASSA-PKCS1-v1_5": PKCS1, "RSA-PSS": PSS, "RSA-OAEP": OAEP });
