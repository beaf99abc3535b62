// What do the events of this instance know of each other?
//
// How many are in flight, how many that were at most while one of them waited, and
// who is waiting for a release. Events interleave only at an await.

let started = 0;
let inFlight = 0;
const peaks = new Set(); // for each event that watches, the most since
let waiting = []; // what the next release calls

export function countStart() {
  started++;
}

export function starts() {
  return started;
}

export function begin() {
  inFlight++;
  for (const peak of peaks) peak.events = Math.max(peak.events, inFlight);
}

export function end() {
  inFlight--;
}

// The most events that were in flight while `wait` went on.
export async function peakDuring(wait) {
  const peak = { events: inFlight };
  peaks.add(peak);
  await wait;
  peaks.delete(peak);
  return peak.events;
}

// Waits for the next call of `release`, which another event makes.
export function waitForRelease() {
  return new Promise((resolve) => waiting.push(resolve));
}

export function release() {
  const released = waiting;
  waiting = [];
  for (const resolve of released) resolve();
}
