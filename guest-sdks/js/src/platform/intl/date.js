// Intl.DateTimeFormat. Of time zones there is UTC.

import { LOCALE, choose, digits, joined, option, service } from "./locale.js";

const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const months = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const words = ["narrow", "short", "long"];
const numbers = ["2-digit", "numeric"];
const styles = ["full", "long", "medium", "short"];

const dateStyles = {
  full: { weekday: "long", year: "numeric", month: "long", day: "numeric" },
  long: { year: "numeric", month: "long", day: "numeric" },
  medium: { year: "numeric", month: "short", day: "numeric" },
  short: { year: "2-digit", month: "numeric", day: "numeric" },
};
const timeStyles = {
  full: { hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "long" },
  long: { hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "short" },
  medium: { hour: "numeric", minute: "2-digit", second: "2-digit" },
  short: { hour: "numeric", minute: "2-digit" },
};

const ofDate = ["weekday", "year", "month", "day"];
const ofTime = ["dayPeriod", "hour", "minute", "second", "fractionalSecondDigits"];

export class DateTimeFormat {
  #options;

  constructor(locales, options, required = "any", defaults = "date") {
    choose(locales);
    this.#options = resolved(options, required, defaults);
  }

  get format() {
    return (date) => joined(this.formatToParts(date));
  }

  formatToParts(date) {
    const time = date === undefined ? Date.now() : Number(date);
    if (Number.isNaN(time) || Math.abs(time) > 8.64e15) throw new RangeError("Invalid time value");
    return parts(this.#options, new Date(time));
  }

  formatRange(from, to) {
    const [first, second] = [this.format(from), this.format(to)];
    return first === second ? first : `${first} – ${second}`;
  }

  resolvedOptions() {
    return { locale: LOCALE, calendar: "gregory", numberingSystem: "latn", timeZone: "UTC", ...this.#options };
  }
}

service(DateTimeFormat, "DateTimeFormat");

function resolved(options, required, defaults) {
  const zone = options?.timeZone;
  if (zone !== undefined && !/^(?:utc|gmt|etc\/(?:utc|gmt)|\+00:?00)$/i.test(`${zone}`)) {
    throw new RangeError(`Invalid time zone specified: ${zone}; Abide has UTC only.`);
  }
  const dateStyle = option(options, "dateStyle", styles, undefined);
  const timeStyle = option(options, "timeStyle", styles, undefined);
  const cycle = option(options, "hourCycle", ["h11", "h12", "h23", "h24"], undefined);
  const hour12 = options?.hour12 === undefined ? (cycle === undefined ? true : cycle === "h11" || cycle === "h12") : Boolean(options.hour12);
  const chosen = { hour12 };
  if (dateStyle || timeStyle) {
    if ([...ofDate, ...ofTime].some((name) => options[name] !== undefined)) throw new TypeError("Can't set option together with dateStyle or timeStyle");
    return { ...chosen, ...(dateStyle ? dateStyles[dateStyle] : {}), ...(timeStyle ? timeStyles[timeStyle] : {}), dateStyle, timeStyle };
  }
  const wanted = {
    weekday: option(options, "weekday", words, undefined),
    era: option(options, "era", words, undefined),
    year: option(options, "year", numbers, undefined),
    month: option(options, "month", [...numbers, ...words], undefined),
    day: option(options, "day", numbers, undefined),
    hour: option(options, "hour", numbers, undefined),
    minute: option(options, "minute", numbers, undefined),
    second: option(options, "second", numbers, undefined),
    fractionalSecondDigits: digits(options, "fractionalSecondDigits", 1, 3, undefined),
    timeZoneName: option(options, "timeZoneName", ["short", "long", "shortOffset", "longOffset", "shortGeneric", "longGeneric"], undefined),
  };
  const has = (names) => names.some((name) => wanted[name] !== undefined);
  const needsDefaults = !((required !== "time" && has(ofDate)) || (required !== "date" && has(ofTime)));
  if (needsDefaults && defaults !== "time") wanted.year = wanted.month = wanted.day = "numeric";
  if (needsDefaults && defaults !== "date") wanted.hour = wanted.minute = wanted.second = "numeric";
  for (const [name, value] of Object.entries(wanted)) if (value !== undefined) chosen[name] = value;
  return chosen;
}

const numeric = (value, style) => (style === "2-digit" ? `${value % 100}`.padStart(2, "0") : `${value}`);
const named = (name, style) => (style === "long" ? name : style === "short" ? name.slice(0, 3) : name[0]);
const literal = (value) => ({ type: "literal", value });

function between(groups, separator) {
  return groups.filter((group) => group.length).flatMap((group, at) => (at ? [literal(separator), ...group] : group));
}

function parts(options, date) {
  const dateParts = dateOf(options, date);
  const timeParts = timeOf(options, date);
  const worded = options.month === "long";
  const both = between([dateParts, timeParts], worded ? " at " : ", ");
  if (!options.timeZoneName) return both;
  const zone = { type: "timeZoneName", value: /^long(?:Generic)?$/.test(options.timeZoneName) ? "Coordinated Universal Time" : /Offset|shortGeneric/.test(options.timeZoneName) ? "GMT" : "UTC" };
  return [...both, literal(timeParts.length ? " " : ", "), zone];
}

function dateOf(options, date) {
  const full = date.getUTCFullYear();
  const shown = full > 0 ? full : 1 - full;
  const weekday = options.weekday ? [{ type: "weekday", value: named(weekdays[date.getUTCDay()], options.weekday) }] : [];
  const year = options.year ? [{ type: "year", value: numeric(shown, options.year) }] : [];
  const day = options.day ? [{ type: "day", value: numeric(date.getUTCDate(), options.day) }] : [];
  const era = options.era ? [{ type: "era", value: { long: ["Before Christ", "Anno Domini"], short: ["BC", "AD"], narrow: ["B", "A"] }[options.era][full > 0 ? 1 : 0] }] : [];
  if (words.includes(options.month)) {
    const month = [{ type: "month", value: named(months[date.getUTCMonth()], options.month) }];
    const monthDay = between([month, day], " ");
    return between([weekday, between([monthDay, year], day.length ? ", " : " ")], ", ").concat(era.length ? [literal(" "), ...era] : []);
  }
  const month = options.month ? [{ type: "month", value: numeric(date.getUTCMonth() + 1, options.month) }] : [];
  const numbersOnly = between([month, day, year], "/");
  if (weekday.length && day.length && !month.length) return between([day, weekday], " ");
  return between([weekday, numbersOnly], ", ").concat(era.length ? [literal(" "), ...era] : []);
}

function timeOf(options, date) {
  const { hour, minute, second, fractionalSecondDigits, hour12 } = options;
  const found = [];
  const add = (type, value, separator) => {
    if (found.length) found.push(literal(separator));
    found.push({ type, value });
  };
  if (hour) {
    const hours = date.getUTCHours();
    const value = hour12 ? hours % 12 || 12 : hours;
    add("hour", hour12 ? numeric(value, hour) : `${value}`.padStart(2, "0"), "");
  }
  const others = hour || second ? "2-digit" : minute;
  if (minute) add("minute", numeric(date.getUTCMinutes(), others), ":");
  if (second) add("second", numeric(date.getUTCSeconds(), hour || minute ? "2-digit" : second), ":");
  if (fractionalSecondDigits) {
    const fraction = `${date.getUTCMilliseconds()}`.padStart(3, "0").slice(0, fractionalSecondDigits);
    if (found.length) found.push(literal("."));
    found.push({ type: "fractionalSecond", value: fraction });
  }
  if (hour && hour12) found.push(literal(" "), { type: "dayPeriod", value: date.getUTCHours() < 12 ? "AM" : "PM" });
  return found;
}
