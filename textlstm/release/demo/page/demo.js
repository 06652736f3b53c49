// The page of one model: text -> ids -> logits -> label, and the same without each word. Nothing leaves the browser.

const MOST_WORDS = 150;
const SHOWN_LABELS = 8;
const SHOWN_EFFECTS = 8;
const PAUSE = 200; // ms without a key before the words are tried

const find = id => document.getElementById(id);
const percent = value => `${(100 * value).toFixed(1)} %`;
const points = value => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(100 * value).toFixed(1)}`;

let settings, tokenizer, session, ort, special;
let shown = null; // what stands on the page: text, chances, words with their chances
let turn = 0; // raised by each new text, so that the work on an old one stops

async function bytesOf(url, integrity) {
  const answer = await fetch(url, integrity ? { integrity } : {});
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes; // not gzip, or the browser unpacked it already
  const unpacked = new Response(bytes).body.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

async function load() {
  const json = async url => JSON.parse(new TextDecoder().decode(await bytesOf(url)));
  const library = role => find(`library-${role}`);
  const [given, runtime, pieces, wasm, graph, vocabulary, config] = await Promise.all([
    json("demo.json"), import(library("runtime").href), import(library("tokenizers").href),
    bytesOf(find("page").dataset.wasm, find("page").dataset.integrity), bytesOf("model.onnx"),
    json("tokenizer.json"), json("tokenizer_config.json"),
  ]);
  settings = given;
  ort = runtime.default?.InferenceSession ? runtime.default : runtime;
  ort.env.wasm.numThreads = 1; // more need headers that static servers do not send
  ort.env.wasm.wasmBinary = wasm;
  ort.env.logLevel = "error";
  settings.lowercases = /"Lowercase"|"lowercase":true/.test(JSON.stringify(vocabulary.normalizer ?? ""));
  tokenizer = new pieces.Tokenizer(vocabulary, config);
  special = specialIds();
  session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
  await chancesOf("a"); // the first run prepares the runtime
}

// Ids that the tokenizer puts around every text.
function specialIds() {
  const whole = tokenizer.encode("a", { add_special_tokens: true }).ids;
  const bare = tokenizer.encode("a", { add_special_tokens: false }).ids;
  const before = Math.max(0, whole.findIndex((_, at) => bare.every((id, next) => whole[at + next] === id)));
  return { before: whole.slice(0, before), after: whole.slice(before + bare.length) };
}

// As the model read texts in training: cut at its end, and a text without any token is one unknown word.
export function idsOf(text) {
  let clean = text.toWellFormed ? text.toWellFormed() : text;
  // JavaScript lowercases a sigma at a word's end to its final form, the tokenizer in training did not.
  if (settings.lowercases) clean = clean.replaceAll("Σ", "σ");
  const bare = clean.trim() ? Array.from(tokenizer.encode(clean, { add_special_tokens: false }).ids) : [];
  const room = Math.max(0, settings.max_length - special.before.length - special.after.length);
  const ids = [...special.before, ...bare.slice(0, room), ...special.after];
  return { ids: ids.length ? ids : [settings.unk_id], cut: bare.length > room };
}

// One text at a time: the 8-bit graph's scores depend a little on the other rows of a batch.
export async function chancesOf(text) {
  const { ids, cut } = idsOf(text);
  const tensor = values => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, ids.length]);
  const feeds = { input_ids: tensor(ids), attention_mask: tensor(ids.map(() => 1)) };
  const { logits } = await session.run(feeds);
  const scaled = Array.from(logits.data, logit => logit / settings.temperature);
  if (settings.multi_label) return { chances: scaled.map(x => 1 / (1 + Math.exp(-x))), cut };
  const top = Math.max(...scaled);
  const raised = scaled.map(x => Math.exp(x - top));
  const total = raised.reduce((sum, x) => sum + x, 0);
  return { chances: raised.map(x => x / total), cut };
}

export function givenLabels(chances) {
  if (settings.multi_label) return chances.flatMap((chance, k) => chance >= settings.thresholds[k] ? [k] : []);
  return [chances.indexOf(Math.max(...chances))];
}

// Words and emoji with their places; languages without spaces are cut by the browser's own dictionary.
export function wordsOf(text) {
  const word = /[\p{L}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]/u;
  if (!globalThis.Intl?.Segmenter) {
    return [...text.matchAll(/\S+/gu)].filter(found => word.test(found[0])).map(found => ({ text: found[0], at: found.index }));
  }
  const parts = new Intl.Segmenter(undefined, { granularity: "word" }).segment(text);
  return Array.from(parts).filter(part => word.test(part.segment)).map(part => ({ text: part.segment, at: part.index }));
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function showChances(all) {
  const order = shown.chances.map((_, k) => k).sort((a, b) => shown.chances[b] - shown.chances[a]);
  const given = new Set(givenLabels(shown.chances));
  const named = order.filter(k => given.has(k)).map(k => `${settings.labels[k]}, ${percent(shown.chances[k])}`);
  const verdict = named.join(" · ") || "none of its labels";
  if (find("verdict").textContent !== verdict) find("verdict").textContent = verdict;
  const visible = all ? order : order.slice(0, SHOWN_LABELS);
  find("chances").tBodies[0].replaceChildren(...visible.map(k => {
    const bar = element("i", {});
    bar.setAttribute("aria-hidden", "true");
    bar.style.width = `${70 * shown.chances[k]}%`;
    return element("tr", { className: given.has(k) ? "given" : "" },
      element("th", { scope: "row", dir: "auto", textContent: settings.labels[k] }),
      element("td", {}, element("div", { className: "bar" }, bar, element("span", { textContent: percent(shown.chances[k]) }))));
  }));
  find("all").hidden = all || order.length <= SHOWN_LABELS;
  find("all").textContent = `All ${order.length} labels`;
  find("warning").hidden = !shown.cut;
  find("warning").textContent = `The text is longer than ${settings.max_length} tokens; only its beginning was read.`;
  find("answer").hidden = false;
  const explained = find("explained");
  const chosen = explained.dataset.own === "yes" ? explained.value : String(order[0]);
  explained.replaceChildren(...order.map(k => element("option", { value: k, textContent: settings.labels[k] })));
  explained.value = chosen;
}

function showWords() {
  const label = Number(find("explained").value);
  const rows = shown.words.filter(word => word.chances)
    .map(word => ({ ...word, effect: shown.chances[label] - word.chances[label] }));
  const largest = Math.max(0.01, ...rows.map(row => Math.abs(row.effect)));
  const pieces = [];
  let done = 0;
  for (const row of rows) {
    pieces.push(shown.text.slice(done, row.at));
    const mark = element("span", { className: "word", textContent: row.text });
    if (Math.abs(row.effect) >= 0.1 * largest) {
      mark.classList.add(row.effect > 0 ? "for" : "against");
      mark.style.setProperty("--share", Math.abs(row.effect) / largest);
      mark.title = `without it: ${percent(row.chances[label])} (${points(-row.effect)} points)`;
    }
    pieces.push(mark);
    done = row.at + row.text.length;
  }
  find("words").replaceChildren(...pieces, shown.text.slice(done));
  const best = [...rows].sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect)).slice(0, SHOWN_EFFECTS);
  find("effects").tBodies[0].replaceChildren(...best.map(row => element("tr", {},
    element("th", { scope: "row", dir: "auto", textContent: row.text }),
    element("td", { textContent: percent(row.chances[label]) }),
    element("td", { textContent: points(-row.effect) }))));
  const left = shown.words.length - rows.length;
  find("tried").textContent = shown.whole
    ? left ? `The first ${rows.length} words were tried, ${left} were not.` : ""
    : `Trying the words: ${rows.length} of ${Math.min(shown.words.length, MOST_WORDS)} …`;
  find("why").hidden = rows.length === 0;
}

const breath = ms => new Promise(done => setTimeout(done, ms));

async function answer() {
  const mine = ++turn;
  const text = find("text").value;
  find("why").hidden = true;
  if (!text.trim()) {
    find("answer").hidden = true;
    find("state").textContent = "Ready: type or paste a text.";
    return;
  }
  const began = performance.now();
  const found = await chancesOf(text);
  if (mine !== turn) return;
  find("state").textContent = `Answered in ${Math.max(1, Math.round(performance.now() - began))} ms, in this browser.`;
  shown = { text, ...found, words: wordsOf(text), whole: false };
  showChances(false);
  await breath(PAUSE);
  let last = performance.now();
  for (const word of shown.words.slice(0, MOST_WORDS)) {
    if (mine !== turn) return;
    const without = text.slice(0, word.at) + text.slice(word.at + word.text.length);
    word.chances = (await chancesOf(without)).chances;
    if (performance.now() - last > 50) { // the page must stay usable
      await breath(0);
      last = performance.now();
    }
  }
  if (mine !== turn) return;
  shown.whole = true;
  showWords();
  document.body.dataset.done = text;
}

function failed(error) {
  const state = find("state");
  state.classList.add("alert");
  state.setAttribute("role", "alert");
  const file = location.protocol === "file:" ? " A page opened as a file may not load a model: serve the folder, as README.md says." : "";
  state.textContent = `The model could not be loaded: ${error.message ?? error}.${file}`;
  document.body.dataset.state = "failed";
}

const safely = act => (...given) => Promise.resolve(act(...given)).catch(failed);

try {
  await load();
  find("text").addEventListener("input", safely(answer));
  find("ask").addEventListener("submit", event => event.preventDefault());
  find("all").addEventListener("click", () => showChances(true));
  find("explained").addEventListener("change", event => {
    event.target.dataset.own = "yes";
    showWords();
  });
  for (const button of document.querySelectorAll(".example")) {
    button.addEventListener("click", safely(() => {
      find("text").value = button.textContent;
      return answer();
    }));
  }
  document.body.dataset.state = "ready";
  await answer();
} catch (error) {
  failed(error);
}
