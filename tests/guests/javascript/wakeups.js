// How does an event go on when another event completes what it awaits?
//
// QuickJS runs a promise's callbacks in whichever event resolves it, but an event's
// result is accepted only from that event itself, and one that waits for nothing of
// its own traps. So each event waits for a byte on a stream, which is written when
// its handler is done.

export async function inTask(handler) {
  const { readable, writable } = wit.Stream(wit.Stream.U8);
  const woken = readable.read(1);
  let result;
  let failed = false;
  const wake = () => writable.write(new Uint8Array(1)).then(() => writable.drop());
  handler().then(
    (value) => {
      result = value;
      wake();
    },
    (error) => {
      result = error;
      failed = true;
      wake();
    },
  );
  await woken;
  readable.drop();
  if (failed) throw result;
  return result;
}
