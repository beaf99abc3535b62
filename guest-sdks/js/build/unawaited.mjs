// Which promises does nobody await?
//
// QuickJS tells nobody of a promise that is rejected and that nobody looks at. So what a script
// calls without a look at the result, and what may be a promise by its name, is given to
// `src/script/begin.js`, which tells the log. No line moves by that.

import { parse } from "acorn";
import { ancestor, simple } from "acorn-walk";

const TOLD = "__unawaited";

// Those of promises, and of what gives some.
const NAMES = ["then", "catch", "finally", "all", "race", "any", "reject", "fetch"];

export function telling(script) {
  const tree = parse(script, { ecmaVersion: "latest" });
  const names = new Set([...NAMES, ...asyncNames(tree)]);
  const marks = [];
  const mark = (node) => {
    if (names.has(nameOf(node))) marks.push([node.start, `${TOLD}(`], [node.end, ")"]);
  };
  simple(tree, {
    ExpressionStatement: ({ expression }) => dropped(expression).forEach(mark),
    UnaryExpression: ({ operator, argument }) => operator === "void" && dropped(argument).forEach(mark),
  });
  let at = 0;
  const parts = [];
  for (const [place, text] of marks.sort(([one], [other]) => one - other)) {
    parts.push(script.slice(at, place), text);
    at = place;
  }
  return parts.join("") + script.slice(at);
}

// The calls whose results are looked at nowhere.
function dropped(node) {
  switch (node.type) {
    case "CallExpression":
    case "ChainExpression":
      return [node];
    case "SequenceExpression":
      return node.expressions.flatMap(dropped);
    case "LogicalExpression":
      return dropped(node.right);
    case "ConditionalExpression":
      return [...dropped(node.consequent), ...dropped(node.alternate)];
    default:
      return [];
  }
}

// The last name of what is called.
function nameOf(node) {
  const { callee } = node.type === "ChainExpression" ? node.expression : node;
  return callee === undefined ? undefined : lastOf(callee);
}

function lastOf({ type, name, property }) {
  if (type === "Identifier" || type === "PrivateIdentifier") return name;
  return type === "MemberExpression" ? lastOf(property) : undefined;
}

// How functions are called that are async, or were until `contexts.mjs` built them otherwise.
function asyncNames(tree) {
  const names = new Set();
  const see = (node, above) => {
    if (isAsync(node)) names.add(node.id?.name ?? ownerOf(above.at(-2)));
  };
  ancestor(tree, {
    Function: (node, _, above) => see(node, above),
  });
  names.delete(undefined);
  return names;
}

function isAsync({ async, body }) {
  if (async) return true;
  const made = body.type === "BlockStatement" && body.body.length === 1 ? body.body[0].argument : body;
  return made?.type === "CallExpression" && /^__async\d*$/.test(made.callee.name);
}

function ownerOf({ type, key, id, left }) {
  const owner = { MethodDefinition: key, PropertyDefinition: key, Property: key, VariableDeclarator: id, AssignmentExpression: left }[type];
  return owner === undefined ? undefined : lastOf(owner);
}
