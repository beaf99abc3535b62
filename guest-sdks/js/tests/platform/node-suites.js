import "./node.js";
import "./node-contexts.js";
import "./node-crypto.js";
import "./node-required.js";
export * from "./guest.js";
