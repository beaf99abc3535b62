// Which languages does Intl know here? English as it is written in the United States, as every
// other costs a component megabytes. As the standard has it, whoever asks for another gets
// that; a warning says so once.

export const LOCALE = "en-US";
const tag = /^[a-z]{2,8}(?:-[a-z0-9]{1,8})*$/i;
let warned = false;

export function canonical(locales) {
  const list = locales === undefined ? [] : typeof locales === "string" ? [locales] : Array.from(locales, String);
  return list.map((locale) => {
    if (!tag.test(locale)) throw new RangeError(`Incorrect locale information provided: ${JSON.stringify(locale)}`);
    return locale.split("-").map((part, at) => (at === 0 ? part.toLowerCase() : part.length === 2 ? part.toUpperCase() : part.length === 4 ? part[0].toUpperCase() + part.slice(1).toLowerCase() : part)).join("-");
  });
}

const isEnglish = (locale) => /^en(?:-US)?(?:-u-|$)/.test(locale);

export function choose(locales) {
  const others = canonical(locales).filter((locale) => !isEnglish(locale));
  if (others.length && !warned) {
    warned = true;
    console.warn(`Intl of Abide writes English only, so "${others[0]}" is written as "${LOCALE}".`);
  }
  return LOCALE;
}

// What all of Intl's classes have.
export function service(type, name) {
  Object.defineProperty(type, "name", { value: name, configurable: true });
  Object.defineProperty(type, "supportedLocalesOf", { value: (locales) => canonical(locales).filter(isEnglish), configurable: true, writable: true });
  Object.defineProperty(type.prototype, Symbol.toStringTag, { value: `Intl.${name}`, configurable: true });
  return type;
}

export function option(options, name, allowed, otherwise) {
  const value = options?.[name];
  if (value === undefined) return otherwise;
  if (allowed === Boolean) return Boolean(value);
  if (allowed.includes(`${value}`)) return `${value}`;
  throw new RangeError(`Value ${value} out of range for Intl options property ${name}`);
}

export function digits(options, name, least, most, otherwise) {
  const value = options?.[name];
  if (value === undefined) return otherwise;
  const number = Math.floor(Number(value));
  if (number >= least && number <= most) return number;
  throw new RangeError(`${name} value is out of range.`);
}

export const joined = (parts) => parts.map((part) => part.value).join("");
