// The types of `cloudflare:workers` and of the globals are Cloudflare's own, for code is written as
// there: https://www.npmjs.com/package/@cloudflare/workers-types
/// <reference types="@cloudflare/workers-types" />

interface DurableObjectState<Props = unknown> {
  /** The id of the object that `abide objects fork` copied this one from. */
  readonly forkedFrom: DurableObjectId | null;
}
