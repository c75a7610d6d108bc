// Runs the console's page against a switch, without a screen: `node console.js http://ADDRESS TOKEN`. Reads its HTML for the
// elements that have an id, runs its script as it is, logs in, presses what a person presses, and prints what is shown.
"use strict";

const vm = require("node:vm");

const [, , origin, token] = process.argv;

class Node {
  constructor(name) {
    this.name = name;
    this.nodes = [];
    this.attributes = {};
    this.hidden = false;
    this.value = "";
    this.className = "";
  }
  get children() { return this.nodes.filter((node) => node instanceof Node); }
  get textContent() {
    return this.nodes.map((node) => (node instanceof Node ? node.textContent : node)).join("");
  }
  set textContent(text) { this.nodes = [String(text)]; }
  append(...nodes) { this.nodes.push(...nodes.map((node) => (node instanceof Node ? node : String(node)))); }
  replaceChildren(...nodes) { this.nodes = []; this.append(...nodes); }
  setAttribute(name, value) { this.attributes[name] = value; }
  async play() { this.played = true; }
  find(name) { return this.children.flatMap((child) => [...(child.name === name ? [child] : []), ...child.find(name)]); }
  rows() { return this.children.map((row) => row.children.map((cell) => cell.textContent)); }
}

const text = async (path) => {
  const answer = await fetch(origin + path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.text();
};

async function until(what, is) {
  for (const end = Date.now() + 20_000; !is();) {
    if (Date.now() > end) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function main() {
  const [html, script] = [await text("/"), await text("/console.js")];
  const elements = new Map();
  for (const [, name, id, more] of html.matchAll(/<(\w+) id="([\w-]+)"([^>]*)>/g)) {
    elements.set(id, Object.assign(new Node(name), { hidden: more.includes(" hidden") }));
  }
  const at = (id) => elements.get(id);
  at("player").append(new Node("span"), new Node("audio"), new Node("a"));
  const fields = [...html.matchAll(/name="(\w+)"(?:[^>]*value="(\d+)")?/g)].filter(([, name]) => name !== "viewport");
  const filter = new Map(fields.map(([, name, value]) => [name, value || ""]));
  const kept = new Map();
  let sound;
  const world = {
    Node, URLSearchParams, Date, Math, JSON, console,
    document: { getElementById: (id) => at(id) || null, createElement: (name) => new Node(name), hidden: false },
    sessionStorage: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) },
    fetch: (path, options) => fetch(origin + path, options),
    URL: { createObjectURL: (blob) => { sound = blob; return "blob:sound"; }, revokeObjectURL: () => {} },
    FormData: class { [Symbol.iterator]() { return filter.entries(); } },
    setTimeout: () => {},
  };
  vm.runInNewContext(script, world);
  const press = { preventDefault: () => {} };
  // A wrong token first.
  at("token").value = "0".repeat(64);
  at("login").onsubmit(press);
  await until("a refusal", () => !at("trouble").hidden && at("trouble").textContent);
  const refused = at("trouble").textContent;
  at("token").value = token;
  at("login").onsubmit(press);
  await until("the wallboard", () => at("trunks").children.length > 1);
  at("show-records").onclick();
  await until("records", () => at("found").children.length > 1);
  const [button] = at("found").find("button");
  if (button) {
    button.onclick();
    await until("a sound", () => !at("player").hidden && at("player").children[1].played);
  }
  const board = Object.fromEntries(["queues", "agents", "calls", "trunks"].map((id) => [id, at(id).rows()]));
  console.log(JSON.stringify({
    refused, board, figures: at("figures").children.map((box) => box.textContent), records: at("found").rows(),
    trouble: at("trouble").hidden ? null : at("trouble").textContent,
    heard: sound ? sound.size : 0, playing: at("player").children[1].played === true,
    board_hidden: at("board").hidden, left_in_the_field: at("token").value,
  }));
}

main().catch((error) => { console.error(error); process.exit(1); });
