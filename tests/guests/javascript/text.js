// How does text become bytes, and bytes text? QuickJS has no TextEncoder.

export function encode(text) {
  const latin1 = unescape(encodeURIComponent(text));
  return Uint8Array.from(latin1, (char) => char.charCodeAt(0));
}

export function decode(bytes) {
  let latin1 = "";
  for (const byte of bytes) latin1 += String.fromCharCode(byte);
  return decodeURIComponent(escape(latin1));
}
