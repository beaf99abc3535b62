// Intl.NumberFormat.

import { LOCALE, choose, digits, joined, option, service } from "./locale.js";

const symbols = { USD: "$", EUR: "€", GBP: "£", JPY: "¥", INR: "₹", CNY: "CN¥", KRW: "₩", BRL: "R$", CAD: "CA$", AUD: "A$", MXN: "MX$", NZD: "NZ$", HKD: "HK$", TWD: "NT$", ILS: "₪", VND: "₫", PHP: "₱", XAF: "FCFA", XOF: "F\u202fCFA" };
const withoutCents = new Set(["JPY", "KRW", "VND", "CLP", "ISK", "XAF", "XOF", "PYG", "UGX", "RWF"]);
const scales = [[1e12, "T", "trillion"], [1e9, "B", "billion"], [1e6, "M", "million"], [1e3, "K", "thousand"]];
const units = {
  second: "sec", minute: "min", hour: "hr", day: "day", week: "wk", month: "mth", year: "yr", millisecond: "ms", byte: "byte", kilobyte: "kB", megabyte: "MB", gigabyte: "GB", terabyte: "TB",
  meter: "m", kilometer: "km", centimeter: "cm", kilogram: "kg", gram: "g", liter: "L", percent: "%", celsius: "°C", fahrenheit: "°F", mile: "mi", foot: "ft", inch: "in", pound: "lb",
};

export class NumberFormat {
  #options;

  constructor(locales, options) {
    choose(locales);
    this.#options = resolved(options);
  }

  // A function of its own, that can be passed to `map`.
  get format() {
    return (value) => joined(this.formatToParts(value));
  }

  formatToParts(value) {
    return parts(this.#options, typeof value === "bigint" || typeof value === "number" ? value : Number(value));
  }

  formatRange(from, to) {
    const [first, second] = [this.format(from), this.format(to)];
    return first === second ? `~${first}` : `${first}–${second}`;
  }

  resolvedOptions() {
    return { locale: LOCALE, numberingSystem: "latn", ...this.#options };
  }
}

service(NumberFormat, "NumberFormat");

function resolved(options) {
  const style = option(options, "style", ["decimal", "percent", "currency", "unit"], "decimal");
  const notation = option(options, "notation", ["standard", "scientific", "engineering", "compact"], "standard");
  const chosen = { style };
  if (style === "currency") {
    if (options.currency === undefined) throw new TypeError("Currency code is required with currency style.");
    if (!/^[a-z]{3}$/i.test(options.currency)) throw new RangeError(`Invalid currency code : ${options.currency}`);
    chosen.currency = options.currency.toUpperCase();
    chosen.currencyDisplay = option(options, "currencyDisplay", ["symbol", "narrowSymbol", "code", "name"], "symbol");
    chosen.currencySign = option(options, "currencySign", ["standard", "accounting"], "standard");
  }
  if (style === "unit") {
    if (options.unit === undefined) throw new TypeError("Required unit with unit style.");
    if (!`${options.unit}`.split("-per-").every((unit) => Object.hasOwn(units, unit))) throw new RangeError(`Invalid unit argument for Intl.NumberFormat(): ${options.unit}; Abide has ${Object.keys(units).join(", ")}.`);
    chosen.unit = `${options.unit}`;
    chosen.unitDisplay = option(options, "unitDisplay", ["short", "narrow", "long"], "short");
  }
  const cents = style === "currency" ? (withoutCents.has(chosen.currency) ? 0 : 2) : null;
  const [least, most] = cents !== null ? [cents, cents] : style === "percent" ? [0, 0] : notation === "compact" ? [0, 0] : [0, 3];
  chosen.minimumIntegerDigits = digits(options, "minimumIntegerDigits", 1, 21, 1);
  const significant = options?.minimumSignificantDigits !== undefined || options?.maximumSignificantDigits !== undefined;
  if (significant) {
    chosen.minimumSignificantDigits = digits(options, "minimumSignificantDigits", 1, 21, 1);
    chosen.maximumSignificantDigits = digits(options, "maximumSignificantDigits", chosen.minimumSignificantDigits, 21, 21);
  } else {
    const minimum = digits(options, "minimumFractionDigits", 0, 100, undefined);
    const maximum = digits(options, "maximumFractionDigits", 0, 100, undefined);
    if (minimum !== undefined && maximum !== undefined && minimum > maximum) throw new RangeError("maximumFractionDigits value is out of range.");
    chosen.minimumFractionDigits = minimum ?? Math.min(least, maximum ?? least);
    chosen.maximumFractionDigits = maximum ?? Math.max(most, chosen.minimumFractionDigits);
    chosen.roundsCompactly = notation === "compact" && minimum === undefined && maximum === undefined;
  }
  const grouping = options?.useGrouping;
  chosen.useGrouping = grouping === undefined || grouping === "true" || grouping === true ? (notation === "compact" ? "min2" : "auto") : grouping === false || grouping === "false" ? false : `${grouping}`;
  chosen.notation = notation;
  if (notation === "compact") chosen.compactDisplay = option(options, "compactDisplay", ["short", "long"], "short");
  chosen.signDisplay = option(options, "signDisplay", ["auto", "never", "always", "exceptZero", "negative"], "auto");
  return chosen;
}

// Numbers are rounded as they are written, not as they are kept: 1.005 is half-way.
function rounded(options, text) {
  if (options.roundsCompactly) return Number(text) < 100 ? trimZeros(significant(text, 2), 0) : placed(text, 0);
  if (options.maximumSignificantDigits !== undefined) {
    return padSignificant(trimZeros(significant(text, options.maximumSignificantDigits), 0), options.minimumSignificantDigits);
  }
  return trimZeros(placed(text, options.maximumFractionDigits), options.minimumFractionDigits);
}

// With so many places behind the point; fewer than none are places before it.
function placed(text, places) {
  const [whole, fraction = ""] = text.split(".");
  if (fraction.length <= places) return places ? `${whole}.${fraction.padEnd(places, "0")}` : whole;
  const all = whole + fraction;
  const kept = whole.length + places;
  const up = all[kept] >= "5" ? 1n : 0n;
  const digits = `${BigInt(all.slice(0, Math.max(kept, 0)) || "0") + up}`;
  if (places <= 0) return digits === "0" ? "0" : digits + "0".repeat(-places);
  const padded = digits.padStart(places + 1, "0");
  return `${padded.slice(0, -places)}.${padded.slice(-places)}`;
}

function significant(text, count) {
  const [whole, fraction = ""] = text.split(".");
  if (whole !== "0") return placed(text, count - whole.length);
  const zeros = /^0*/.exec(fraction)[0].length;
  return zeros === fraction.length ? "0" : placed(text, zeros + count);
}

// Without an exponent.
function plain(value) {
  const text = `${value}`;
  const match = /^(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (!match) return text;
  const [, whole, fraction = "", power] = match;
  const all = whole + fraction;
  const point = 1 + Number(power);
  if (point <= 0) return `0.${"0".repeat(-point)}${all}`;
  return point >= all.length ? all.padEnd(point, "0") : `${all.slice(0, point)}.${all.slice(point)}`;
}

function hundredfold(text) {
  const [whole, fraction = ""] = text.split(".");
  const padded = fraction.padEnd(2, "0");
  const moved = (whole + padded.slice(0, 2)).replace(/^0+(?=\d)/, "");
  return padded.length > 2 ? `${moved}.${padded.slice(2)}` : moved;
}

function trimZeros(text, least) {
  const point = text.indexOf(".");
  if (point < 0) return text;
  let end = text.length;
  while (end > point + 1 + least && text[end - 1] === "0") end--;
  return end === point + 1 ? text.slice(0, point) : text.slice(0, end);
}

function padSignificant(text, least) {
  const count = text.replace(/^0\.0*|\./g, "").length;
  if (count >= least) return text;
  return (text.includes(".") ? text : `${text}.`) + "0".repeat(least - count);
}

function parts(options, given) {
  const negative = typeof given === "bigint" ? given < 0n : given < 0 || Object.is(given, -0);
  let value = typeof given === "bigint" ? (given < 0n ? -given : given) : Math.abs(given);
  const found = [];
  let power = null;
  let scale = null;
  const finite = typeof value === "bigint" || Number.isFinite(value);
  if (finite && options.notation === "compact") [value, scale] = scaled(options, Number(value));
  if (finite && (options.notation === "scientific" || options.notation === "engineering")) {
    power = Number(value) === 0 ? 0 : Math.floor(Math.log10(Number(value)));
    if (options.notation === "engineering") power = Math.floor(power / 3) * 3;
    value = Number(value) / 10 ** power;
  }
  const isNaN = typeof value === "number" && Number.isNaN(value);
  const text = isNaN ? "NaN" : finite ? rounded(options, options.style === "percent" ? hundredfold(plain(value)) : plain(value)) : "∞";
  if (!finite) found.push({ type: isNaN ? "nan" : "infinity", value: text });
  else found.push(...numerals(options, text));
  if (power !== null) {
    found.push({ type: "exponentSeparator", value: "E" });
    if (power < 0) found.push({ type: "exponentMinusSign", value: "-" });
    found.push({ type: "exponentInteger", value: `${Math.abs(power)}` });
  }
  if (scale) found.push(...(options.compactDisplay === "long" ? [{ type: "literal", value: " " }, { type: "compact", value: scale[2] }] : [{ type: "compact", value: scale[1] }]));
  const isZero = !isNaN && /^[0.]+$/.test(text);
  return signed(options, styled(options, found, text), negative && !isNaN, isZero, isNaN);
}

function scaled(options, value) {
  for (const scale of scales) {
    if (value < scale[0] && Number(rounded(options, plain(value / scale[0]))) < 1) continue;
    return [value / scale[0], scale];
  }
  return [value, null];
}

function numerals(options, text) {
  const [whole, fraction] = text.split(".");
  const padded = whole.padStart(options.minimumIntegerDigits, "0");
  const found = [];
  const groups = options.useGrouping !== false && padded.length >= (options.useGrouping === "min2" ? 5 : 4) ? padded.replace(/\B(?=(?:\d{3})+$)/g, ",").split(",") : [padded];
  groups.forEach((group, at) => {
    if (at) found.push({ type: "group", value: "," });
    found.push({ type: "integer", value: group });
  });
  if (fraction !== undefined) found.push({ type: "decimal", value: "." }, { type: "fraction", value: fraction });
  return found;
}

function styled(options, found, text) {
  const literal = (value) => ({ type: "literal", value });
  switch (options.style) {
    case "percent":
      return [...found, { type: "percentSign", value: "%" }];
    case "currency": {
      const { currency, currencyDisplay } = options;
      if (currencyDisplay === "name") return [...found, literal(" "), { type: "currency", value: currency }];
      const symbol = currencyDisplay === "code" ? currency : currencyDisplay === "narrowSymbol" ? (symbols[currency] ?? currency).replace(/^[A-Z]+(?=[^A-Z])/, "") : (symbols[currency] ?? currency);
      return [{ type: "currency", value: symbol }, ...(/[A-Z]$/.test(symbol) && /\d/.test(text) ? [literal("\u00a0")] : []), ...found];
    }
    case "unit": {
      const plural = text === "1" ? "" : "s";
      if (options.unitDisplay === "long") return [...found, literal(" "), { type: "unit", value: options.unit.replace(/^[a-z]+/, (unit) => unit + plural).replace("-per-", " per ") }];
      const short = options.unit.split("-per-").map((unit) => units[unit]).join("/").replace("km/hr", "km/h").replace("mi/hr", "mph");
      const counted = /^(?:day|wk|mth|yr)$/.test(short) && options.unitDisplay === "short" ? short + plural : short;
      return [...found, ...(/^[%°]/.test(short) ? [] : [literal(" ")]), { type: "unit", value: counted }];
    }
    default:
      return found;
  }
}

function signed({ signDisplay, currencySign }, found, negative, isZero, isNaN) {
  const shows = { auto: negative, never: false, always: true, exceptZero: !isZero && !isNaN, negative: negative && !isZero }[signDisplay];
  if (!shows) return found;
  if (negative && currencySign === "accounting") return [{ type: "literal", value: "(" }, ...found, { type: "literal", value: ")" }];
  return [negative ? { type: "minusSign", value: "-" } : { type: "plusSign", value: "+" }, ...found];
}
