// Intl and what is written with it, where the source mentions them.

import { install } from "../install.js";
import { DateTimeFormat } from "../intl/date.js";
import { canonical } from "../intl/locale.js";
import { NumberFormat } from "../intl/number.js";
import { Collator, ListFormat, PluralRules, RelativeTimeFormat, Segmenter } from "../intl/words.js";

const absent = (name) =>
  class {
    constructor() {
      throw new Error(`Intl.${name} is not supported by Abide.`);
    }
  };

const Intl = {
  Collator, DateTimeFormat, ListFormat, NumberFormat, PluralRules, RelativeTimeFormat, Segmenter,
  DisplayNames: absent("DisplayNames"), DurationFormat: absent("DurationFormat"), Locale: absent("Locale"),
  getCanonicalLocales: canonical,
  supportedValuesOf: (key) => (key === "timeZone" ? ["UTC"] : []),
};

// Those that may be called without `new` are functions.
for (const type of [Collator, DateTimeFormat, NumberFormat]) {
  Intl[type.name] = new Proxy(type, { apply: (_, __, args) => new type(...args) });
}
Object.defineProperty(Intl, Symbol.toStringTag, { value: "Intl", configurable: true });
install({ Intl });

const localized = (type, methods) => {
  for (const [name, value] of Object.entries(methods)) Object.defineProperty(type.prototype, name, { value, writable: true, configurable: true });
};
const whole = (date, format) => (Number.isNaN(date.getTime()) ? "Invalid Date" : format().format(date));

localized(Number, {
  toLocaleString(locales, options) {
    return new NumberFormat(locales, options).format(this.valueOf());
  },
});
localized(BigInt, {
  toLocaleString(locales, options) {
    return new NumberFormat(locales, options).format(this.valueOf());
  },
});
localized(Date, {
  toLocaleString(locales, options) {
    return whole(this, () => new DateTimeFormat(locales, options, "any", "all"));
  },
  toLocaleDateString(locales, options) {
    return whole(this, () => new DateTimeFormat(locales, options, "date", "date"));
  },
  toLocaleTimeString(locales, options) {
    return whole(this, () => new DateTimeFormat(locales, options, "time", "time"));
  },
});
localized(String, {
  localeCompare(other, locales, options) {
    return new Collator(locales, options).compare(this, other);
  },
});
