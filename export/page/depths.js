// Poses corrected by what the detector sees of depth: what dcmls_tf/photos/depths.py does.

import { dot, mean, transpose } from "./linear.js";
import { rows } from "./pose.js";

export class DepthCorrection {
  /** layers: [{ kernel, bias }]; facts: `hand` of facts.json. */
  constructor(layers, { hand }) {
    this.layers = layers.map(({ kernel, bias }) => ({ columns: transpose(kernel), bias }));
    this.hand = hand;
  }

  /**
   * The pose, corrected: mm relative to the palm's middle, in the camera's frame.
   *
   * keypoints: 21 [x, y] px; depths: px behind the wrist; side: 0 left, 1 right.
   */
  corrected(jointsMm, keypoints, depths, side) {
    const mirror = side === this.hand.left ? -1 : 1;
    const across = ([x, ...others]) => [mirror * x, ...others];
    const angle = this.uprightTurn(keypoints.map(across));
    const inFrame = ([x, y, ...depth]) => [...turned(across([x, y]), angle), ...depth];
    const unit = Math.hypot(...difference(...this.hand.scale_bone.map((joint) => jointsMm[joint])));
    const pose = jointsMm.map((joint) => inFrame(joint.map((value) => value / unit)));
    const seen = this.offPalm(keypoints).map(inFrame);
    const px = scale(seen.slice(1), pose.slice(1).map(([x, y]) => [x, y]));
    const behind = this.offPalm(depths.map((depth) => [depth])).map(([depth]) => px * depth);
    const moved = rows(this.answer([...pose.flat(), ...behind]), 3).map(([x, y, z]) =>
      [...across(turned([x, y], -angle)), z]);
    return jointsMm.map((joint, j) =>
      j ? joint.map((value, axis) => value + unit * moved[j - 1][axis]) : joint);
  }

  /** The angle by which joints are turned for the fingers' base to be right above the wrist. */
  uprightTurn(uv) {
    const base = mean(this.hand.finger_bases.map((joint) => uv[joint]));
    const [across, down] = difference(base, uv[this.hand.wrist]);
    return -Math.atan2(across, -down);
  }

  answer(features) {
    return this.layers.reduce((values, { columns, bias }, number) => {
      const given = number ? values.map((value) => Math.max(value, 0)) : values;
      return columns.map((column, i) => dot(column, given) + bias[i]);
    }, features);
  }

  /** Values of joints less the palm's middle's, which joint 0 stands for. */
  offPalm(values) {
    const palm = mean(this.hand.palm_joints.map((joint) => values[joint]));
    return [palm, ...values.slice(1)].map((value) => difference(value, palm));
  }
}

/** A point turned about (0, 0): x (right) towards y (down). */
function turned([x, y], angle) {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [cos * x - sin * y, sin * x + cos * y];
}

const difference = (a, b) => a.map((value, axis) => value - b[axis]);

/** What brings points nearest to others by its product with them. */
const scale = (points, aims) =>
  dot(points.flat(), aims.flat()) / Math.max(dot(points.flat(), points.flat()), 1e-9);
