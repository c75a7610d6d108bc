// Shows what the API tells. All texts of others become text nodes, never markup.
"use strict";

const REFRESH_MS = 2000;
const WORDS = {
  menu: "导航中", waiting: "排队中", ringing: "振铃", talking: "通话中",
  offline: "离线", ready: "空闲", busy: "示忙", break: "小休",
  idle: "–", held: "保持", supervising: "监听中", wrap_up: "话后整理", unreachable: "异常",
  in: "呼入", out: "呼出", internal: "内部",
};
const COLOURS = {
  ready: "good", talking: "good", waiting: "busy", ringing: "busy", break: "busy", busy: "busy", held: "busy",
  unreachable: "bad",
};

const at = (id) => document.getElementById(id);
const word = (name) => WORDS[name] || name || "–";
const time = (text) => (text ? text.slice(0, 19).replace("T", " ") : "–");
const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};
const since = (text) => (text ? clock((Date.now() - Date.parse(text)) / 1000) : "–");

function access() {
  return { token: sessionStorage.getItem("token") || "", tenant: sessionStorage.getItem("tenant") || "default" };
}

async function ask(path, keys = {}) {
  const { token, tenant } = access();
  const query = new URLSearchParams({ tenant });
  for (const [key, value] of Object.entries(keys)) if (value) query.set(key, value);
  const answer = await fetch(`${path}?${query}`, { headers: { Authorization: `Bearer ${token}` } });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  const { zh, en } = told.error || { zh: `HTTP ${answer.status}`, en: answer.statusText };
  throw new Error(`${zh} / ${en}`);
}

const json = async (path, keys) => (await ask(path, keys)).json();

function element(name, text, colour) {
  const made = document.createElement(name);
  made.textContent = text;
  if (colour) made.className = colour;
  return made;
}

// A table of `rows`; a cell is a text, [text, colour], or an element.
function fill(table, heads, rows) {
  const row = (name, cells) => {
    const made = document.createElement("tr");
    for (const cell of cells) {
      if (cell instanceof Node) {
        const around = document.createElement(name);
        around.append(cell);
        made.append(around);
      } else {
        const [text, colour] = Array.isArray(cell) ? cell : [cell];
        made.append(element(name, text === null || text === undefined || text === "" ? "–" : String(text), colour));
      }
    }
    return made;
  };
  table.replaceChildren(row("th", heads), ...rows.map((cells) => row("td", cells)));
}

function showFigures(calls, queues, agents, trunks) {
  const waiting = queues.reduce((sum, queue) => sum + queue.waiting, 0);
  const longest = queues.reduce((most, queue) => Math.max(most, queue.longest_wait_seconds), 0);
  const free = agents.filter((agent) => agent.state.state === "ready" && agent.activity === "idle").length;
  const down = trunks.filter((trunk) => trunk.up === false || trunk.registered === false).length;
  const figures = [
    ["在线通话 / calls", calls.length], ["排队 / waiting", waiting, waiting ? "busy" : ""],
    ["最长等待 / longest", clock(longest)], ["空闲坐席 / free agents", free, free ? "good" : "bad"],
    ["中继异常 / trunks down", down, down ? "bad" : "good"],
  ];
  at("figures").replaceChildren(...figures.map(([name, figure, colour]) => {
    const box = document.createElement("div");
    box.append(element("b", figure, colour), element("small", name));
    return box;
  }));
}

async function showBoard() {
  const [calls, queues, agents, trunks] = await Promise.all(
    ["calls", "queues", "agents", "trunks"].map((what) => json(`/v1/${what}`)));
  showFigures(calls, queues, agents, trunks);
  fill(at("queues"), ["队列", "排队", "最长等待", "空闲坐席", "坐席"], queues.map((queue) => [
    queue.name, [queue.waiting, queue.waiting ? "busy" : ""], clock(queue.longest_wait_seconds),
    queue.agents_free, queue.agents.join(" ")]));
  fill(at("agents"), ["工号", "姓名", "状态", "活动", "已", "队列"], agents.map((agent) => [
    agent.id, agent.name,
    [word(agent.state.state) + (agent.state.reason ? ` ${agent.state.reason}` : ""), COLOURS[agent.state.state]],
    [word(agent.activity), COLOURS[agent.activity]], since(agent.since), agent.queues.join(" ")]));
  fill(at("calls"), ["方向", "状态", "主叫", "被叫", "队列", "对方", "时长", "编号"], calls.map((call) => [
    word(call.direction), [word(call.state), COLOURS[call.state]], call.caller, call.number || call.called,
    call.queue, call.party, since(call.began), call.id]));
  fill(at("trunks"), ["中继", "状态", "通话", "原因"], trunks.map((trunk) => [
    trunk.name,
    trunk.up === false || trunk.registered === false ? ["中断 / down", "bad"] : ["正常 / fine", "good"],
    trunk.max_calls ? `${trunk.calls}/${trunk.max_calls}` : trunk.calls, trunk.error]));
}

let sound = "";

async function play(call, recording) {
  const answer = await ask(`/v1/recordings/${recording}/audio`);
  URL.revokeObjectURL(sound);
  sound = URL.createObjectURL(await answer.blob());
  const [name, audio, link] = at("player").children;
  name.textContent = `${time(call.began)} ${call.caller} → ${call.answered_by || call.called}`;
  audio.src = sound;
  link.href = sound;
  link.download = `${recording}.wav`;
  at("player").hidden = false;
  await audio.play().catch(() => {});
}

function listenTo(call) {
  const kept = call.recordings.filter((recording) => recording.state === "finished");
  const all = document.createElement("span");
  for (const recording of kept) {
    const button = element("button", `▶ ${clock(recording.millis / 1000)}`);
    button.onclick = () => play(call, recording.id).then(fine, trouble);
    all.append(button, " ");
  }
  return kept.length ? all : call.not_recorded || "–";
}

async function showRecords() {
  const wanted = Object.fromEntries(new FormData(at("filter")));
  const found = await json("/v1/cdrs", wanted);
  const heads = ["时间", "方向", "呼入号码", "地区", "热线号码", "接听", "结果", "等待", "通话", "挂机方", "录音"];
  fill(at("found"), heads, found.reverse().map((call) => [
    time(call.began), call.direction_zh, call.caller, call.caller_region, call.number || call.called, call.answered_by || call.agent,
    [call.result_zh, call.result === "answered" ? "good" : "busy"], clock(call.wait_ms / 1000),
    clock(call.talk_ms / 1000), call.hung_up_by_zh, listenTo(call)]));
}

const trouble = (error) => {
  at("trouble").textContent = error.message;
  at("trouble").hidden = false;
};
const fine = () => { at("trouble").hidden = true; };

let shown = "board";

function show(page) {
  shown = page;
  for (const name of ["board", "records"]) {
    at(name).hidden = name !== page;
    at(`show-${name}`).setAttribute("aria-pressed", String(name === page));
  }
  if (!access().token) return;
  (page === "board" ? showBoard() : showRecords()).then(fine, trouble);
}

async function keepUp() {
  if (shown === "board" && !document.hidden && access().token) await showBoard().then(fine, trouble);
  setTimeout(keepUp, REFRESH_MS);
}

at("login").onsubmit = (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", at("token").value.trim());
  sessionStorage.setItem("tenant", at("tenant").value.trim() || "default");
  at("token").value = "";
  show(shown);
};
at("filter").onsubmit = (event) => {
  event.preventDefault();
  show("records");
};
at("show-board").onclick = () => show("board");
at("show-records").onclick = () => show("records");
at("tenant").value = access().tenant;
keepUp();
