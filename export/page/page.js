// The page: a picture in, the hands' skeletons over it, and a pose in 3D that turns beside it.

import { DepthCorrection } from "./depths.js";
import { Detector } from "./detector.js";
import { drawSkeleton, drawTurned } from "./drawing.js";
import * as pictures from "./pictures.js";
import { PoseModel } from "./pose.js";
import { Network, start } from "./runtime.js";
import { Tracker } from "./tracker.js";
import { Turning } from "./turning.js";

const element = (id) => document.getElementById(id);
const TIMED = 10; // times that a photo's hand is followed, to say how fast that is

class Page {
  static async load() {
    const facts = await (await fetch("facts.json")).json();
    await start("runtime/wasm/");
    const networks = {};
    for (const [name, { file, signature }] of Object.entries(facts.networks)) {
      const content = new Uint8Array(await (await fetch(file)).arrayBuffer());
      networks[name] = await Network.load(content, signature);
    }
    const layers = facts.depths && (await (await fetch(facts.depths.file)).json()).layers;
    return new Page(facts, networks, layers && new DepthCorrection(layers, facts));
  }

  constructor(facts, { palm, landmarks, pose }, correction) {
    this.facts = facts;
    this.detector = new Detector(palm, landmarks, facts);
    this.model = new PoseModel(pose, facts, correction);
    this.board = new pictures.Board(element("picture"));
    this.turning = new Turning(element("pose"), (view, joints, yaw) =>
      drawTurned(view, joints, facts.hand, yaw));
    this.video = element("video");
    this.turn = 0; // of what is shown: what a visitor asked for before is given up
    this.chosen = 0;
  }

  /** The hands of a photo: a File or Blob. */
  async photo(file) {
    const turn = this.begin();
    const bitmap = await pictures.decoded(file);
    const pixels = this.board.show(bitmap, bitmap.width, bitmap.height);
    const began = performance.now();
    const found = await this.detector.find(pixels, this.facts.max_hands);
    const poses = await this.poses(found, pixels);
    if (turn !== this.turn) return;
    const took = performance.now() - began;
    this.show(poses, bitmap.width / pixels.width, file.name);
    element("told").textContent = `${this.summary(poses)} Found in ${took.toFixed(0)} ms.`;
    if (found.length) await this.time(found[0], pixels);
  }

  /** The hands in the camera's pictures, until something else is asked for. */
  async camera() {
    const turn = this.begin();
    const video = await pictures.camera(this.video);
    const tracker = new Tracker(this.detector, this.facts, this.facts.max_hands);
    let rate;
    for (let last = performance.now(); turn === this.turn; ) {
      const pixels = this.board.show(video, video.videoWidth, video.videoHeight);
      const poses = await this.poses(await tracker.next(pixels), pixels);
      if (turn !== this.turn) return;
      this.show(poses, 1, "camera");
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      rate = 0.9 * (rate ?? 1000 / (now - last)) + (0.1 * 1000) / (now - last);
      last = now;
      element("told").textContent = this.summary(poses);
      element("speed").textContent = `Camera: ${rate.toFixed(1)} frames a second.`;
    }
  }

  begin() {
    pictures.stop(this.video);
    element("speed").textContent = "";
    element("told").textContent = "Looking for hands…";
    return ++this.turn;
  }

  async poses(found, { width, height }) {
    const poses = [];
    for (const hand of found)
      poses.push({ ...hand, ...(await this.model.estimate(hand, width, height)) });
    return poses;
  }

  show(poses, scale, name) {
    const { context } = this.board;
    for (const { uv } of poses) drawSkeleton(context, uv, this.facts.hand);
    this.chosen = Math.min(this.chosen, Math.max(poses.length - 1, 0));
    this.turning.joints = poses[this.chosen]?.jointsMm ?? null;
    this.choices(poses);
    this.save(poses, scale, name);
  }

  /** A button for each hand, where there are several. */
  choices(poses) {
    const labels = poses.length > 1 ? poses.map(({ side }, i) => `${i + 1}: ${this.side(side)}`) : [];
    const buttons = labels.map((label, i) => {
      const button = Object.assign(document.createElement("button"), { textContent: label });
      button.setAttribute("aria-pressed", i === this.chosen);
      button.onclick = () => {
        this.chosen = i;
        this.turning.joints = poses[i].jointsMm;
        this.choices(poses);
      };
      return button;
    });
    element("hands").replaceChildren(...buttons);
  }

  /** The answer as scripts/predict.py writes it, in px of the file's picture. */
  save(poses, scale, name) {
    const hands = poses.map((pose) => ({
      side: this.side(pose.side),
      score: pose.score,
      uv: pose.uv.map((point) => point.map((value) => scale * value)),
      joints_mm: pose.jointsMm,
      root_mm: pose.rootMm,
    }));
    const answer = { joint_names: this.facts.hand.joint_names, file: name, hands };
    element("save").href = `data:application/json,${encodeURIComponent(JSON.stringify(answer))}`;
    element("save").hidden = !poses.length;
  }

  async time(known, pixels) {
    const began = performance.now();
    for (let i = 0; i < TIMED; i++) {
      const again = await this.detector.again(pixels, known);
      await this.poses(again ? [again] : [], pixels);
    }
    const rate = (1000 * TIMED) / (performance.now() - began);
    element("speed").textContent = `Following one hand: ${rate.toFixed(1)} frames a second here.`;
  }

  summary(poses) {
    if (!poses.length) return "No hand found.";
    const told = poses.map(({ side, score }) => `${this.side(side)} ${score.toFixed(2)}`);
    return `${poses.length} hand${poses.length > 1 ? "s" : ""}: ${told.join(", ")}.`;
  }

  side(side) {
    return this.facts.hand.sides[side];
  }
}

/** What has been loaded, in MB, by what it is for. */
function loadedSize() {
  const parts = { runtime: "runtime/", networks: "models/" };
  const entries = performance.getEntriesByType("resource");
  const megabytes = (part) => {
    const of = entries.filter(({ name }) => name.includes(part));
    return of.reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0) / 1e6;
  };
  const told = Object.entries(parts).map(([name, part]) => `${name} ${megabytes(part).toFixed(1)}`);
  return `Loaded: ${megabytes("").toFixed(1)} MB (${told.join(", ")}).`;
}

/** Runs what a visitor asked for; a failure becomes a sentence. */
async function guarded(work) {
  try {
    await work();
  } catch (error) {
    element("told").textContent = `Error: ${error.message ?? error}.`;
  }
}

function listen(page) {
  const open = (file) => file && guarded(() => page.photo(file));
  element("file").onchange = (event) => open(event.target.files[0]);
  element("camera").onclick = () => guarded(() => page.camera());
  element("example").onclick = () =>
    guarded(async () => page.photo(await (await fetch("example.jpg")).blob()));
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    open(event.dataTransfer.files[0]);
  };
  for (const id of ["file", "camera", "example"]) element(id).disabled = false;
}

await guarded(async () => {
  const page = await Page.load();
  listen(page);
  element("size").textContent = loadedSize();
  element("told").textContent = "Give a photo of a hand, or the camera.";
});
