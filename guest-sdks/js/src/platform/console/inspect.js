// How does a person read a value? In Node.js's notation.

const LINE = 72; // characters that a list may take on one line
const ITEMS = 100; // of a list, a Map, a Set
const TEXT = 10_000; // characters of one string
const custom = Symbol.for("nodejs.util.inspect.custom");
const identifier = /^[A-Za-z_$][\w$]*$/;

export function inspect(value, options = {}) {
  const settings = typeof options === "object" && options !== null ? options : {};
  const depth = settings.depth === null ? Infinity : (settings.depth ?? 2);
  return shown(value, { depth, hidden: Boolean(settings.showHidden), sorted: Boolean(settings.sorted), line: settings.breakLength ?? LINE, options: settings }, []);
}

inspect.custom = custom;

export function format(...args) {
  return formatWithOptions({}, ...args);
}

export function formatWithOptions(options, ...args) {
  let rest = args;
  let text = "";
  if (typeof args[0] === "string") {
    let next = 1;
    text = args.length === 1 ? args[0] : args[0].replace(/%[sdifjoOc%]/g, (directive) => {
      if (directive === "%%") return "%";
      if (next >= args.length) return directive;
      return directed(directive, args[next++], options);
    });
    rest = args.slice(next);
  }
  const others = rest.map((value) => (typeof value === "string" ? value : inspect(value, options)));
  return typeof args[0] === "string" ? [text, ...others].join(" ") : others.join(" ");
}

function directed(directive, value, options) {
  const isNumber = typeof value === "bigint" || typeof value === "symbol";
  switch (directive) {
    case "%s":
      if (typeof value === "bigint") return `${value}n`;
      if (Object.is(value, -0)) return "-0";
      return typeof value === "object" && value !== null && !hasOwnText(value) ? inspect(value, { ...options, depth: 0 }) : String(value);
    case "%d":
      return isNumber ? (typeof value === "bigint" ? `${value}n` : "NaN") : `${Number(value)}`;
    case "%i":
      return isNumber ? (typeof value === "bigint" ? `${value}n` : "NaN") : `${Number.parseInt(value, 10)}`;
    case "%f":
      return typeof value === "symbol" ? "NaN" : `${Number.parseFloat(value)}`;
    case "%j":
      try {
        return `${JSON.stringify(value)}`;
      } catch {
        return "[Circular]";
      }
    case "%c":
      return "";
    default:
      return inspect(value, { ...options, depth: 4 });
  }
}

function hasOwnText(value) {
  return Error.isError(value) || (typeof value.toString === "function" && value.toString !== Object.prototype.toString && value.toString !== Array.prototype.toString);
}

function shown(value, settings, above) {
  switch (typeof value) {
    case "string":
      return quoted(value.length > TEXT ? value.slice(0, TEXT) : value) + (value.length > TEXT ? `... ${value.length - TEXT} more characters` : "");
    case "number":
      return Object.is(value, -0) ? "-0" : `${value}`;
    case "bigint":
      return `${value}n`;
    case "symbol":
      return value.toString();
    case "object":
    case "function":
      return value === null ? "null" : objectShown(value, settings, above);
    default:
      return `${value}`;
  }
}

function quoted(text) {
  const quote = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes("`") ? "`" : "'";
  const escaped = text.replace(/[\x00-\x1f\x7f-\x9f\\]|[\ud800-\udfff](?![\udc00-\udfff])/g, (char) => {
    const known = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\v": "\\v", "\\": "\\\\" }[char];
    return known ?? (char < "\u0100" ? `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}` : char);
  });
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

function objectShown(value, settings, above) {
  if (above.includes(value)) return "[Circular *1]";
  const own = property(value, custom);
  if (typeof own === "function" && own !== inspect) {
    const given = own.call(value, settings.depth - above.length, { ...settings.options }, inspect);
    if (given !== value) return typeof given === "string" ? given : shown(given, settings, above);
  }
  const { head, items, open = "{", close = "}", keys } = parts(value, settings, above);
  if (above.length > settings.depth && (items.length || keys.length)) return `[${nameOf(value)}]`;
  const within = [...above, value];
  const lines = [...items.map((item) => item(within)), ...keys.map((key) => member(value, key, settings, within))];
  const mark = lines.some((line) => line.includes("[Circular *1]")) && above.length === 0 ? "<ref *1> " : "";
  if (lines.length === 0) return mark + (head && open === "" ? head : [head, open + close].filter(Boolean).join(" "));
  return mark + laidOut(head, open === "" ? "{" : open, open === "" ? "}" : close, lines, settings);
}

function property(value, key) {
  try {
    return value[key];
  } catch {
    return undefined;
  }
}

function laidOut(head, open, close, lines, settings) {
  const start = head ? `${head} ${open}` : open;
  const total = lines.reduce((sum, line) => sum + line.length + 2, start.length);
  if (total <= settings.line && !lines.some((line) => line.includes("\n"))) {
    return open === "[" && !head ? `[ ${lines.join(", ")} ]` : `${start} ${lines.join(", ")} ${close}`;
  }
  const indented = inColumns(lines, settings, open).map((line) => line.replace(/^/gm, "  "));
  return `${start}\n${indented.join(",\n")}\n${close}`;
}

// Many short items of a list stand side by side.
function inColumns(lines, settings, open) {
  if (open !== "[" || lines.length <= 6 || lines.some((line) => line.length > 16 || line.includes("\n"))) return lines;
  const width = Math.max(...lines.map((line) => line.length)) + 2;
  const columns = Math.max(1, Math.min(16, Math.floor(settings.line / width), Math.ceil(Math.sqrt(2.5 * lines.length))));
  const rows = [];
  for (let at = 0; at < lines.length; at += columns) {
    const row = lines.slice(at, at + columns);
    rows.push(row.map((line, index) => (index < row.length - 1 ? `${line},`.padEnd(width) : line)).join("").trimEnd());
  }
  return rows;
}

function nameOf(value) {
  for (let prototype = value; prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    const constructor = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
    if (typeof constructor === "function" && constructor.name !== "") return constructor.name;
  }
  return "[Object: null prototype]";
}

// What stands before the braces, what stands in them besides properties, and which
// properties are shown.
function parts(value, settings) {
  const name = nameOf(value);
  const item = (each) => (within) => shown(each, settings, within);
  const rest = (list) => (list.length > ITEMS ? [...list.slice(0, ITEMS), () => `... ${list.length - ITEMS} more item${list.length > ITEMS + 1 ? "s" : ""}`] : list);
  const keys = visible(value, settings);
  if (Array.isArray(value)) {
    const named = keys.filter((key) => typeof key === "symbol" || !/^(0|[1-9]\d*)$/.test(key));
    return { head: name === "Array" ? "" : `${name}(${value.length})`, open: "[", close: "]", items: elements(value, item), keys: named };
  }
  if (value instanceof Map) {
    return { head: `${name}(${value.size})`, items: rest([...value].map(([key, held]) => (within) => `${shown(key, settings, within)} => ${shown(held, settings, within)}`)), keys };
  }
  if (value instanceof Set) return { head: `${name}(${value.size})`, items: rest([...value].map(item)), keys };
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const more = value.length - ITEMS;
    const list = Array.from(value.subarray(0, ITEMS), item);
    return { head: `${name}(${value.length})`, open: "[", close: "]", items: more > 0 ? [...list, () => `... ${more} more item${more > 1 ? "s" : ""}`] : list, keys: keys.filter((key) => !/^\d+$/.test(String(key))) };
  }
  if (value instanceof ArrayBuffer) {
    const hex = new Uint8Array(value, 0, Math.min(50, value.byteLength)).toHex().replace(/..(?!$)/g, "$& ");
    return { head: name, items: [() => `[Uint8Contents]: <${hex}${value.byteLength > 50 ? ` ... ${value.byteLength - 50} more bytes` : ""}>`, () => `byteLength: ${value.byteLength}`], keys };
  }
  if (Error.isError(value)) return { head: errorText(value), open: "", items: causes(value, settings), keys: keys.filter((key) => !["message", "stack", "name", "cause"].includes(key)) };
  // What stands for something elsewhere can be called, but is no function.
  if (typeof value === "function" && !(value instanceof Function) && Object.getPrototypeOf(value) !== null) return { head: name, items: [], keys: [] };
  if (typeof value === "function") return { head: functionText(value), open: "", items: [], keys };
  if (value instanceof Date) return { head: Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString(), open: "", items: [], keys };
  if (value instanceof RegExp) return { head: String(value), open: "", items: [], keys };
  if (value instanceof Promise) return { head: name, items: [() => "<pending or settled>"], keys };
  if (value instanceof String || value instanceof Number || value instanceof Boolean) {
    const own = keys.filter((key) => !(value instanceof String && /^\d+$/.test(String(key))));
    return { head: `[${name}: ${shown(value.valueOf(), settings, [])}]`, open: "", items: [], keys: own };
  }
  if (value instanceof WeakMap || value instanceof WeakSet) return { head: name, items: [() => "<items unknown>"], keys };
  const web = webMembers(value, settings);
  if (web) return { head: name, items: web, keys: keys.filter((key) => typeof key === "symbol" || !key.startsWith("_")) };
  const tag = property(value, Symbol.toStringTag);
  const tagged = typeof tag === "string" && tag !== "" && tag !== name ? ` [${tag}]` : "";
  return { head: (name === "Object" ? "" : name) + (tagged && name === "Object" ? `Object${tagged}` : tagged), items: [], keys };
}

function elements(list, item) {
  const items = [];
  for (let at = 0; at < list.length && items.length <= ITEMS; at++) {
    if (at in list) {
      items.push(item(list[at]));
      continue;
    }
    let end = at;
    while (end < list.length && !(end in list)) end++;
    const count = end - at;
    items.push(() => `<${count} empty item${count > 1 ? "s" : ""}>`);
    at = end - 1;
  }
  if (items.length > ITEMS) items.length = ITEMS + 1;
  return items.length > ITEMS ? [...items.slice(0, ITEMS), () => `... ${list.length - ITEMS} more item${list.length > ITEMS + 1 ? "s" : ""}`] : items;
}

// The web's own objects keep what they have in getters of their prototypes.
function webMembers(value, settings) {
  const listed = value[Symbol.iterator] && typeof value.getAll === "function" && typeof value.append === "function";
  if (listed) return [...value].map(([key, held]) => (within) => `${shown(key, settings, within)} => ${shown(held, settings, within)}`);
  const prototype = Object.getPrototypeOf(value);
  if (!prototype || !Object.hasOwn(prototype, Symbol.toStringTag) || prototype === Object.prototype) return null;
  const getters = Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(([, found]) => found.get && found.enumerable);
  if (getters.length === 0) return null;
  const quiet = new Set(["body", "searchParams", "signal"]); // reading them makes something
  return getters.filter(([key]) => !quiet.has(key)).map(([key, { get }]) => (within) => {
    try {
      return `${key}: ${shown(get.call(value), settings, within)}`;
    } catch (error) {
      return `${key}: [${error.name}]`;
    }
  });
}

function errorText(error) {
  const name = property(error, "name") ?? "Error";
  const message = property(error, "message");
  const first = message ? `${name}: ${message}` : `${name}`;
  const stack = property(error, "stack");
  if (typeof stack !== "string" || stack === "") return `[${first}]`;
  const lines = stack.trimEnd();
  if (lines.startsWith(first) || lines.startsWith(`${name}`)) return lines;
  // It may have got its name when the stack was there already.
  const places = lines.search(/^ {4}at /m);
  const head = lines.slice(0, Math.max(places, 0)).trimEnd();
  return head.endsWith(message ? `: ${message}` : "Error") ? `${first}\n${lines.slice(places)}` : `${first}\n${lines}`;
}

function causes(error, settings) {
  const items = [];
  if (Object.hasOwn(error, "cause")) items.push((within) => `[cause]: ${shown(error.cause, settings, within)}`);
  if (error instanceof AggregateError) items.push((within) => `[errors]: ${shown(error.errors, settings, within)}`);
  return items;
}

function functionText(value) {
  const isClass = /^class\b/.test(Function.prototype.toString.call(value));
  const kind = isClass ? "class" : value.constructor?.name || "Function";
  const parent = isClass ? Object.getPrototypeOf(value)?.name : "";
  const name = typeof value.name === "string" && value.name ? (isClass ? ` ${value.name}` : `: ${value.name}`) : isClass ? " (anonymous)" : " (anonymous)";
  return `[${kind}${name}${parent ? ` extends ${parent}` : ""}]`;
}

function visible(value, settings) {
  try {
    const keys = settings.hidden ? Reflect.ownKeys(value) : [
      ...Object.keys(value),
      ...Object.getOwnPropertySymbols(value).filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable),
    ];
    return settings.sorted ? keys.sort() : keys;
  } catch {
    return [];
  }
}

function member(value, key, settings, within) {
  const found = Object.getOwnPropertyDescriptor(value, key) ?? { value: undefined };
  const label = typeof key === "symbol" ? `[${key.toString()}]` : identifier.test(key) ? key : quoted(key);
  if (found.get) return `${label}: ${found.set ? "[Getter/Setter]" : "[Getter]"}`;
  if (found.set) return `${label}: [Setter]`;
  return `${label}: ${shown(found.value, settings, within)}`;
}
