// node:util/types: what kind of object is it?

const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);
const tagged = (name) => (value) => typeof value === "object" && value !== null && tag(value) === name;
const viewName = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const view = (name) => (value) => ArrayBuffer.isView(value) && viewName.call(value) === name;
const boxed = (own) => (value) => {
  if (typeof value !== "object" || value === null) return false;
  try {
    own.call(value);
    return true;
  } catch {
    return false;
  }
};

export const isDate = (value) => value instanceof Date;
export const isRegExp = (value) => value instanceof RegExp;
export const isMap = (value) => value instanceof Map;
export const isSet = (value) => value instanceof Set;
export const isWeakMap = (value) => value instanceof WeakMap;
export const isWeakSet = (value) => value instanceof WeakSet;
export const isPromise = (value) => value instanceof Promise;
export const isNativeError = (value) => Error.isError(value);
export const isArgumentsObject = tagged("Arguments");
export const isMapIterator = tagged("Map Iterator");
export const isSetIterator = tagged("Set Iterator");
export const isGeneratorObject = tagged("Generator");
export const isModuleNamespaceObject = tagged("Module");
export const isAsyncFunction = (value) => typeof value === "function" && tag(value) === "AsyncFunction";
export const isGeneratorFunction = (value) => typeof value === "function" && /GeneratorFunction$/.test(tag(value));
export const isArrayBuffer = (value) => value instanceof ArrayBuffer;
export const isSharedArrayBuffer = (value) => value instanceof SharedArrayBuffer;
export const isAnyArrayBuffer = (value) => isArrayBuffer(value) || isSharedArrayBuffer(value);
export const isArrayBufferView = (value) => ArrayBuffer.isView(value);
export const isDataView = (value) => value instanceof DataView;
export const isTypedArray = (value) => ArrayBuffer.isView(value) && !isDataView(value);
export const isUint8Array = view("Uint8Array");
export const isUint8ClampedArray = view("Uint8ClampedArray");
export const isUint16Array = view("Uint16Array");
export const isUint32Array = view("Uint32Array");
export const isInt8Array = view("Int8Array");
export const isInt16Array = view("Int16Array");
export const isInt32Array = view("Int32Array");
export const isFloat32Array = view("Float32Array");
export const isFloat64Array = view("Float64Array");
export const isBigInt64Array = view("BigInt64Array");
export const isBigUint64Array = view("BigUint64Array");
export const isNumberObject = boxed(Number.prototype.valueOf);
export const isStringObject = boxed(String.prototype.valueOf);
export const isBooleanObject = boxed(Boolean.prototype.valueOf);
export const isBigIntObject = boxed(BigInt.prototype.valueOf);
export const isSymbolObject = boxed(Symbol.prototype.valueOf);
export const isBoxedPrimitive = (value) => [isNumberObject, isStringObject, isBooleanObject, isBigIntObject, isSymbolObject].some((is) => is(value));
export const isCryptoKey = tagged("CryptoKey");
export const isKeyObject = tagged("KeyObject");
export const isExternal = () => false;
export const isProxy = () => false; // QuickJS tells nobody

export default {
  isDate, isRegExp, isMap, isSet, isWeakMap, isWeakSet, isPromise, isNativeError, isArgumentsObject, isMapIterator, isSetIterator, isGeneratorObject, isModuleNamespaceObject, isAsyncFunction, isGeneratorFunction, isArrayBuffer,
  isSharedArrayBuffer, isAnyArrayBuffer, isArrayBufferView, isDataView, isTypedArray, isUint8Array, isUint8ClampedArray, isUint16Array, isUint32Array, isInt8Array, isInt16Array, isInt32Array, isFloat32Array, isFloat64Array, isBigInt64Array, isBigUint64Array,
  isNumberObject, isStringObject, isBooleanObject, isBigIntObject, isSymbolObject, isBoxedPrimitive, isCryptoKey, isKeyObject, isExternal, isProxy,
};
