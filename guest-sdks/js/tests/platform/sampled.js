// What is drawn with a seed is the same in Node.js: see sampled.mjs.

/* global FIXTURES */
import { equal, test } from "./harness.js";
import { sampled } from "./sampled.mjs";

let here;

for (const [name, expected] of Object.entries(FIXTURES.sampled)) {
  test(`sampled: ${name} are what they are in Node.js`, () => {
    here ??= sampled();
    const different = expected.filter(([, result], at) => here[name][at][1] !== result);
    const shown = different.slice(0, 25).map(([input, result]) => `${input}\n    ${here[name].find(([other]) => other === input)?.[1]}\n    ${result}`);
    equal([...(different.length ? [`${different.length} differ`] : []), ...shown].join("\n"), "");
  });
}
