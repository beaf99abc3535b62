// The types of `cloudflare:workers` and of the globals are Cloudflare's own, for code is written as
// there: https://www.npmjs.com/package/@cloudflare/workers-types
/// <reference types="@cloudflare/workers-types" />
