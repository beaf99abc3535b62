// Stands in for tr46: how does a host name of any script become ASCII?
//
// The table of UTS #46 takes two megabytes in every component, so this does what it says of
// nearly all names: compatibility characters are unified, letters made small, labels written
// in Punycode. What is not a letter, digit or mark of some script is refused. Not checked is
// the order of right-to-left and joining characters.

import punycode from "punycode";

const ignored = /[\u00ad\u200b\u2060\ufeff\u{1bca0}-\u{1bca3}\ufe00-\ufe0f]/gu;
const dots = /[\u3002\uff0e\uff61]/g;
const refused = /[^\x00-\x7f\p{L}\p{N}\p{M}\p{So}\p{Sk}\p{Sm}\p{Pd}\u00b7\u30fb\u200c\u200d\u05f3\u05f4\u2024-\u2027\u0375]/u;
const notAscii = /[^\x00-\x7f]/;

export function toASCII(name) {
  const labels = mapped(name).split(".");
  try {
    return labels.map(asciiLabel).join(".");
  } catch {
    return null;
  }
}

export function toUnicode(name) {
  const labels = mapped(name).split(".");
  const decoded = (label) => {
    try {
      return label.startsWith("xn--") ? punycode.decode(label.slice(4)) : label;
    } catch {
      return label;
    }
  };
  return { domain: labels.map(decoded).join("."), error: false };
}

function mapped(name) {
  if (!notAscii.test(name)) return name.toLowerCase();
  return small(name.replace(ignored, "").replace(dots, ".")).normalize("NFKC").replace(dots, ".");
}

// Capital sharp s is the one letter that UTS #46 makes small otherwise than Unicode's folding.
function small(name) {
  return name.normalize("NFKC").toLowerCase().replace(/\u1e9e/g, "\u00df");
}

function asciiLabel(label) {
  if (label.startsWith("xn--")) {
    const decoded = punycode.decode(label.slice(4));
    if (decoded === "" || !notAscii.test(decoded) || refused.test(decoded) || mapped(decoded) !== decoded) throw new RangeError(label);
    return label;
  }
  if (!notAscii.test(label)) return label;
  if (refused.test(label) || /^\p{M}/u.test(label)) throw new RangeError(label);
  return `xn--${punycode.encode(label)}`;
}
