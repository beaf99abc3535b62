// URLPattern, where the source mentions it.

import { URLPattern } from "urlpattern-polyfill/urlpattern";
import { install } from "../install.js";

install({ URLPattern });
