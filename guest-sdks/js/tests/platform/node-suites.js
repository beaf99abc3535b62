import "./node.js";
import "./node-contexts.js";
import "./node-crypto.js";
export * from "./guest.js";
