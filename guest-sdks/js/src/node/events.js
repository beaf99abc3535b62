// node:events: unenv's, whose emitter is a class; older code calls it as a function.

import {
  EventEmitter as Base, EventEmitterAsyncResource, addAbortListener, captureRejectionSymbol, errorMonitor, getEventListeners, getMaxListeners, on, once,
} from "unenv/node/events";

export function EventEmitter(options) {
  if (new.target) return Reflect.construct(Base, [options], new.target);
  if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) Object.assign(this, new Base(options));
  return undefined;
}

Object.setPrototypeOf(EventEmitter, Base);
EventEmitter.prototype = Base.prototype;
Object.defineProperty(Base.prototype, "constructor", { value: EventEmitter, writable: true, configurable: true });

// One may be overridden in terms of the other, so neither calls the other.
Base.prototype.on = Base.prototype.addListener;
Base.prototype.off = Base.prototype.removeListener;

export const setMaxListeners = (count, ...targets) => Base.setMaxListeners(count, ...targets);
export const listenerCount = (emitter, type) => emitter.listenerCount(type);
export const defaultMaxListeners = 10;
export const captureRejections = false;
export const usingDomains = false;
export { EventEmitterAsyncResource, addAbortListener, captureRejectionSymbol, errorMonitor, getEventListeners, getMaxListeners, on, once };

for (const [name, value] of Object.entries({ EventEmitter, addAbortListener, captureRejectionSymbol, errorMonitor, getEventListeners, getMaxListeners, on, once, listenerCount, usingDomains })) {
  Object.defineProperty(EventEmitter, name, { value, writable: true, enumerable: true, configurable: true });
}

export default EventEmitter;
