// Hands in a picture, by MediaPipe's two networks: what dcmls_tf/photos/detection.py does.

import { bounds, mapped } from "./linear.js";
import { rows } from "./pose.js";
import * as squares from "./squares.js";

export class Detector {
  /** facts: `hand` and `detector` of facts.json. */
  constructor(palmNetwork, landmarkNetwork, { hand, detector }) {
    this.palmNetwork = palmNetwork;
    this.landmarkNetwork = landmarkNetwork;
    this.hand = hand;
    this.facts = detector;
    this.anchors = anchors(detector.anchor_grids);
  }

  /**
   * The hands in an ImageData, the surest first: `uv` 21 [x, y] px, `depths` px behind the wrist,
   * `box`, `side` 0 left or 1 right, `sideScore`, `score`.
   */
  async find(picture, maxHands) {
    const hands = [];
    for (const square of (await this.palms(picture)).slice(0, 2 * maxHands)) {
      const first = await this.inSquare(picture, square);
      const found = first && ((await this.again(picture, first)) ?? first);
      if (found && this.isNew(found, hands)) hands.push(found);
    }
    return hands.sort((a, b) => b.score - a.score).slice(0, maxHands);
  }

  /** The hand where a known one was, or null. */
  again(picture, known) {
    return this.inSquare(picture, squares.ofJoints(known.uv, this.facts));
  }

  isNew(found, others) {
    return others.every((other) => iou(found.box, other.box) < this.facts.same_hand_iou);
  }

  /** The squares to look for joints in, surest palm first. */
  async palms(picture) {
    const whole = squares.ofPicture(picture.width, picture.height);
    const input = squares.cut(picture, whole, this.facts.palm_input, "black");
    const [raw, logits] = this.outputs(await this.palmNetwork.run([input]), [18, 1]);
    return merge(this.decode(raw, logits), this.facts.merge_iou).map(({ box, points }) => {
      const corners = [box.slice(0, 2), box.slice(2)].map((corner) => mapped(whole, corner));
      return squares.ofPalm(corners.flat(), points.map((p) => mapped(whole, p)), this.facts);
    });
  }

  decode(raw, logits) {
    const { palm_input: size, min_score } = this.facts;
    const palms = [];
    this.anchors.forEach(([x, y], i) => {
      const score = 1 / (1 + Math.exp(-logits[i]));
      if (score < min_score) return;
      const values = Array.from(raw.subarray(18 * i, 18 * (i + 1)), (value) => value / size);
      const [dx, dy, width, height] = values;
      const [left, top] = [x + dx - width / 2, y + dy - height / 2];
      const points = rows(values.slice(4), 2).map((point) => [x + point[0], y + point[1]]);
      palms.push({ box: [left, top, left + width, top + height], points, score });
    });
    return palms;
  }

  async inSquare(picture, square) {
    const { landmarks_input: size, min_presence } = this.facts;
    const input = squares.cut(picture, square, size, "edge");
    const answers = await this.landmarkNetwork.run([input]);
    const [joints, [presence], [right]] = this.outputs(answers, [63, 1, 1, 63]);
    if (presence < min_presence) return null;
    const points = rows(Array.from(joints, (value) => value / size), 3);
    const uv = points.map(([x, y]) => mapped(square, [x, y]));
    return {
      uv,
      depths: points.map(([, , z]) => z * Math.hypot(square[0][0], square[1][0])),
      box: bounds(uv).flat(),
      side: right > 0.5 ? this.hand.right : this.hand.left,
      sideScore: Math.max(right, 1 - right),
      score: presence,
    };
  }

  /** Outputs in the order of their names, which must be of these sizes along the last axis. */
  outputs(byName, sizes) {
    const names = Object.keys(byName).sort();
    const fits = names.length === sizes.length && names.every((n, i) => byName[n].length % sizes[i] === 0);
    if (!fits) throw new Error(`the detector's networks are not the ones expected (${names})`);
    return names.map((name) => byName[name]);
  }
}

function anchors(grids) {
  const middles = [];
  for (const [cells, each] of grids)
    for (let i = 0; i < cells * cells * each; i++) {
      const cell = Math.floor(i / each);
      middles.push([((cell % cells) + 0.5) / cells, (Math.floor(cell / cells) + 0.5) / cells]);
    }
  return middles;
}

/** Palms that overlap the surest one, averaged with it by score; the surest first. */
function merge(palms, minIou) {
  const merged = [];
  let left = [...palms].sort((a, b) => b.score - a.score);
  while (left.length) {
    const first = left[0];
    const same = left.filter((palm) => palm === first || iou(palm.box, first.box) > minIou);
    const total = same.reduce((sum, palm) => sum + palm.score, 0);
    const average = (values) =>
      values[0].map((_, i) => same.reduce((sum, palm, j) => sum + (palm.score / total) * values[j][i], 0));
    merged.push({
      box: average(same.map((palm) => palm.box)),
      points: rows(average(same.map((palm) => palm.points.flat())), 2),
    });
    left = left.filter((palm) => !same.includes(palm));
  }
  return merged;
}

/** Intersection over union of two boxes. */
export function iou(a, b) {
  const area = (box) => Math.max(box[2] - box[0], 0) * Math.max(box[3] - box[1], 0);
  const shared = area([
    Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3]),
  ]);
  return shared / (area(a) + area(b) - shared);
}
