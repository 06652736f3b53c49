// Runs a graph by WebAssembly in Node.js, one text at a time, as the page does: ids of texts in, logits out, by JSON.
//     node run_wasm.mjs RUNTIME.mjs RUNTIME.wasm.gz MODEL.onnx < ids.json > logits.json

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const [library, wasm, model] = process.argv.slice(2);
const runtime = await import(pathToFileURL(library).href);
const ort = runtime.default?.InferenceSession ? runtime.default : runtime;
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = gunzipSync(await readFile(wasm));
ort.env.logLevel = "error";
const session = await ort.InferenceSession.create(new Uint8Array(await readFile(model)), { executionProviders: ["wasm"] });
const parts = [];
for await (const part of process.stdin) parts.push(part);
const answers = [];
for (const ids of JSON.parse(Buffer.concat(parts).toString("utf8"))) {
  const tensor = values => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, ids.length]);
  const { logits } = await session.run({ input_ids: tensor(ids), attention_mask: tensor(ids.map(() => 1)) });
  answers.push(Array.from(logits.data));
}
process.stdout.write(JSON.stringify(answers));
