// TFLite networks in the browser, by LiteRT.js on one thread: no SharedArrayBuffer is needed.

import { Tensor, loadAndCompile, loadLiteRt } from "@litertjs/core";

/** Starts the runtime, whose files lie in a folder beside the page. */
export async function start(folder) {
  // The runtime writes notes as errors.
  const printErr = (line) => /^(INFO|WARNING)/.test(line) || console.error(line);
  globalThis.Module = { printErr };
  await loadLiteRt(folder);
}

export class Network {
  constructor(compiled, signature) {
    this.runner = compiled.signatures[signature] ?? Object.values(compiled.signatures)[0];
    this.inputs = this.runner.getInputDetails();
    this.outputs = this.runner.getOutputDetails();
  }

  /** A network in a file's bytes; signature: its name, where the file has several. */
  static async load(content, signature) {
    return new Network(await loadAndCompile(content, { accelerator: "wasm" }), signature);
  }

  /** Runs it on arrays, by name or in order; the outputs by name. */
  async run(arrays) {
    const given = this.inputs.map(({ name, shape }, i) =>
      new Tensor(arrays[name] ?? arrays[i], Array.from(shape)));
    try {
      const outputs = await this.runner.run(given);
      return Object.fromEntries(outputs.map((tensor, i) => [this.outputs[i].name, taken(tensor)]));
    } finally {
      given.forEach((tensor) => tensor.delete());
    }
  }
}

function taken(tensor) {
  const values = tensor.toTypedArray().slice();
  tensor.delete();
  return values;
}
