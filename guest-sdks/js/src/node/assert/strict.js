// node:assert/strict.

import { strict } from "../assert.js";

export const {
  AssertionError, ok, fail, ifError, throws, rejects, doesNotThrow, doesNotReject, equal, notEqual, deepEqual, notDeepEqual, strictEqual,
  notStrictEqual, deepStrictEqual, notDeepStrictEqual, match, doesNotMatch,
} = strict;
export { strict };
export default strict;
