/// <reference lib="dom" />
// The page: a text area that follows the document, and the document it.

import * as Y from "yjs";

const area = document.querySelector("textarea")!;
const state = document.querySelector("output")!;
const doc = new Y.Doc();
const text = doc.getText("text");

function connect() {
  const url = new URL(`${location.pathname.replace(/\/$/, "")}/ws`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const send = (update: Uint8Array, origin: unknown) => {
    if (origin !== socket) socket.send(update as Uint8Array<ArrayBuffer>);
  };
  socket.onopen = () => {
    state.value = "";
    // What was written meanwhile.
    socket.send(Y.encodeStateAsUpdate(doc) as Uint8Array<ArrayBuffer>);
    doc.on("update", send);
  };
  socket.onmessage = ({ data }) => Y.applyUpdate(doc, new Uint8Array(data), socket);
  socket.onclose = () => {
    doc.off("update", send);
    state.value = "not connected";
    setTimeout(connect, 1000);
  };
}

// What differs between both texts lies between what they begin and end with.
function changeOf(before: string, after: string) {
  let begin = 0;
  while (begin < before.length && begin < after.length && before[begin] === after[begin]) begin += 1;
  let end = 0;
  const rest = Math.min(before.length, after.length) - begin;
  while (end < rest && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  return { begin, removed: before.length - begin - end, added: after.slice(begin, after.length - end) };
}

area.addEventListener("input", () => {
  const { begin, removed, added } = changeOf(text.toString(), area.value);
  doc.transact(() => {
    text.delete(begin, removed);
    text.insert(begin, added);
  });
});

text.observe(({ delta, transaction }) => {
  if (transaction.local) return;
  let [at, start, end] = [0, area.selectionStart, area.selectionEnd];
  for (const { retain = 0, insert = "", delete: removed = 0 } of delta) {
    at += retain;
    const step = String(insert).length - removed;
    if (start > at) start = Math.max(at, start + step);
    if (end > at) end = Math.max(at, end + step);
    at += String(insert).length;
  }
  area.value = text.toString();
  area.setSelectionRange(start, end);
});

connect();
