// What of Intl is about words: plurals, lists, relative times, order, and where text may be
// parted.

import { LOCALE, choose, option, service } from "./locale.js";
import { NumberFormat } from "./number.js";

export class PluralRules {
  #type;

  constructor(locales, options) {
    choose(locales);
    this.#type = option(options, "type", ["cardinal", "ordinal"], "cardinal");
  }

  select(value) {
    const number = Number(value);
    if (this.#type === "cardinal") return number === 1 ? "one" : "other";
    const [ones, tens] = [number % 10, number % 100];
    if (ones === 1 && tens !== 11) return "one";
    if (ones === 2 && tens !== 12) return "two";
    return ones === 3 && tens !== 13 ? "few" : "other";
  }

  resolvedOptions() {
    const pluralCategories = this.#type === "cardinal" ? ["one", "other"] : ["few", "one", "two", "other"];
    return { locale: LOCALE, type: this.#type, pluralCategories };
  }
}

service(PluralRules, "PluralRules");

export class ListFormat {
  #type;
  #style;

  constructor(locales, options) {
    choose(locales);
    this.#type = option(options, "type", ["conjunction", "disjunction", "unit"], "conjunction");
    this.#style = option(options, "style", ["long", "short", "narrow"], "long");
  }

  format(list) {
    return this.formatToParts(list).map((part) => part.value).join("");
  }

  formatToParts(list) {
    const items = Array.from(list);
    const unit = this.#type === "unit";
    const word = this.#type === "disjunction" ? "or" : this.#style === "long" ? "and" : "&";
    const comma = unit && this.#style === "narrow" ? " " : ", ";
    const last = unit ? comma : this.#type === "conjunction" && this.#style === "narrow" ? ", " : items.length > 2 ? `, ${word} ` : ` ${word} `;
    return items.flatMap((value, at) => {
      const element = { type: "element", value };
      return at === 0 ? [element] : [{ type: "literal", value: at === items.length - 1 ? last : comma }, element];
    });
  }

  resolvedOptions() {
    return { locale: LOCALE, type: this.#type, style: this.#style };
  }
}

service(ListFormat, "ListFormat");

const kinds = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"];
const short = { second: "sec.", minute: "min.", hour: "hr.", day: "day", week: "wk.", month: "mo.", quarter: "qtr.", year: "yr." };
const narrow = { second: "s", minute: "min", hour: "h", day: "d", week: "w", month: "mo", quarter: "q", year: "y" };
const nearby = { day: { "-1": "yesterday", 0: "today", 1: "tomorrow" }, second: { 0: "now" } };

export class RelativeTimeFormat {
  #numeric;
  #style;

  constructor(locales, options) {
    choose(locales);
    this.#numeric = option(options, "numeric", ["always", "auto"], "always");
    this.#style = option(options, "style", ["long", "short", "narrow"], "long");
  }

  format(value, unit) {
    const number = Number(value);
    const kind = `${unit}`.replace(/s$/, "");
    if (!Number.isFinite(number)) throw new RangeError("Invalid number for Intl.RelativeTimeFormat.format()");
    if (!kinds.includes(kind)) throw new RangeError(`Invalid unit argument for format() '${unit}'`);
    if (this.#numeric === "auto") {
      const written = this.#style === "long" ? kind : (short[kind] ?? kind);
      const near = nearby[kind]?.[number] ?? (!["second", "minute", "hour"].includes(kind) || (kind !== "second" && number === 0) ? { "-1": `last ${written}`, 0: `this ${written}`, 1: `next ${written}` }[number] : undefined);
      if (near !== undefined) return near;
    }
    const count = Math.abs(number);
    const shown = new NumberFormat().format(count);
    const past = number < 0 || Object.is(number, -0);
    if (this.#style === "narrow") return past ? `${shown}${narrow[kind]} ago` : `in ${shown}${narrow[kind]}`;
    let word = this.#style === "long" ? kind : short[kind];
    if (count !== 1 && (this.#style === "long" || kind === "day" || kind === "quarter")) word = word.endsWith(".") ? word.replace(".", "s.") : `${word}s`;
    return past ? `${shown} ${word} ago` : `in ${shown} ${word}`;
  }

  formatToParts(value, unit) {
    const text = this.format(value, unit);
    const match = /[\d,.]*\d/.exec(text);
    if (!match) return [{ type: "literal", value: text }];
    const around = [{ type: "literal", value: text.slice(0, match.index) }, { type: "integer", value: match[0], unit: `${unit}`.replace(/s$/, "") }, { type: "literal", value: text.slice(match.index + match[0].length) }];
    return around.filter((part) => part.value !== "");
  }

  resolvedOptions() {
    return { locale: LOCALE, style: this.#style, numeric: this.#numeric, numberingSystem: "latn" };
  }
}

service(RelativeTimeFormat, "RelativeTimeFormat");

// Signs come before digits, those before letters.
function rank(char) {
  return /\p{L}/u.test(char) ? 2 : /\p{N}/u.test(char) ? 1 : 0;
}

function compareChars(a, b) {
  const difference = rank(a) - rank(b);
  return difference || (a < b ? -1 : a > b ? 1 : 0);
}

export class Collator {
  #options;

  constructor(locales, options) {
    choose(locales);
    this.#options = {
      usage: option(options, "usage", ["sort", "search"], "sort"),
      sensitivity: option(options, "sensitivity", ["base", "accent", "case", "variant"], "variant"),
      ignorePunctuation: option(options, "ignorePunctuation", Boolean, false),
      numeric: option(options, "numeric", Boolean, false),
      caseFirst: option(options, "caseFirst", ["upper", "lower", "false"], "false"),
    };
  }

  get compare() {
    return (a, b) => this.#compare(this.#clean(a), this.#clean(b));
  }

  resolvedOptions() {
    return { locale: LOCALE, collation: "default", ...this.#options };
  }

  #clean(value) {
    const text = `${value}`.normalize("NFD");
    return this.#options.ignorePunctuation ? text.replace(/[\p{P}\s]/gu, "") : text;
  }

  // First by letters alone, then by accents, then by case.
  #compare(a, b) {
    const { sensitivity, caseFirst } = this.#options;
    const base = (text) => text.replace(/\p{M}/gu, "").toLowerCase();
    const byLetters = this.#inOrder(base(a), base(b));
    if (byLetters || sensitivity === "base") return byLetters;
    if (sensitivity !== "case") {
      const [left, right] = [a.toLowerCase(), b.toLowerCase()];
      if (left !== right) return left < right ? -1 : 1;
      if (sensitivity === "accent") return 0;
    }
    const [left, right] = [a.replace(/\p{M}/gu, ""), b.replace(/\p{M}/gu, "")];
    if (left === right) return 0;
    const lowerFirst = left > right ? -1 : 1;
    return caseFirst === "upper" ? -lowerFirst : lowerFirst;
  }

  #inOrder(a, b) {
    const pattern = this.#options.numeric ? /\d+|./gsu : /./gsu;
    const [left, right] = [a.match(pattern) ?? [], b.match(pattern) ?? []];
    for (let at = 0; at < Math.min(left.length, right.length); at++) {
      const bothNumbers = this.#options.numeric && /^\d/.test(left[at]) && /^\d/.test(right[at]);
      const difference = bothNumbers ? Number(left[at]) - Number(right[at]) : compareChars(left[at], right[at]);
      if (difference) return Math.sign(difference);
    }
    return Math.sign(left.length - right.length);
  }
}

service(Collator, "Collator");

const segments = {
  grapheme: /\r\n|\p{RI}\p{RI}|(?:\p{Emoji}(?:\ufe0f|\p{EMod})?\u20e3?(?:\u200d\p{Emoji}(?:\ufe0f|\p{EMod})?)*|[^])[\p{M}\u200d\ufe0e\ufe0f\p{EMod}]*/gu,
  word: /[\p{L}\p{N}_\p{M}]+(?:['’.][\p{L}\p{N}_\p{M}]+)*|\r\n|[^]/gu,
  sentence: /[^.!?\n]*(?:[.!?]+["')\]]*\s*|\n|$)/gu,
};

export class Segmenter {
  #granularity;

  constructor(locales, options) {
    choose(locales);
    this.#granularity = option(options, "granularity", ["grapheme", "word", "sentence"], "grapheme");
  }

  segment(text) {
    const input = `${text}`;
    const granularity = this.#granularity;
    const all = () =>
      Array.from(input.matchAll(segments[granularity]))
        .filter((match) => match[0] !== "")
        .map((match) => ({ segment: match[0], index: match.index, input, ...(granularity === "word" ? { isWordLike: /[\p{L}\p{N}]/u.test(match[0]) } : {}) }));
    return {
      *[Symbol.iterator]() {
        yield* all();
      },
      containing: (at = 0) => all().findLast(({ index }) => index <= at && at < input.length),
    };
  }

  resolvedOptions() {
    return { locale: LOCALE, granularity: this.#granularity };
  }
}

service(Segmenter, "Segmenter");
