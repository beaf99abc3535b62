// Intl, against what Node.js writes: see oracle.mjs.

/* global FIXTURES */
import { equal, test, throws } from "./harness.js";
import { written } from "./oracle.mjs";

test("intl: English is written as Node.js writes it", () => {
  const here = written();
  const different = Object.entries(FIXTURES.written).filter(([name, expected]) => here[name] !== expected);
  equal(different.map(([name, expected]) => `${name}: ${JSON.stringify(here[name])}, not ${JSON.stringify(expected)}`).join("\n"), "");
});

test("intl: another language is written as English, another time zone is refused", () => {
  equal(new Intl.NumberFormat("de-DE").format(1234.5), "1,234.5");
  equal(new Intl.NumberFormat("de-DE").resolvedOptions().locale, "en-US");
  throws(RangeError, () => new Intl.DateTimeFormat("en-US", { timeZone: "Europe/Berlin" }));
  throws(RangeError, () => new Intl.NumberFormat("not a locale"));
  throws(Error, () => new Intl.DisplayNames("en", { type: "region" }));
  equal(Intl.NumberFormat("en").format(1), "1");
});
