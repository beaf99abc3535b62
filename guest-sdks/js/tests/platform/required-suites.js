import "./node-required.js";
export * from "./guest.js";
