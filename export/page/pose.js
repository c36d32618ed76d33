// 2D keypoints of a hand → its pose in 3D, by the model of `models/pose.tflite`.

import { cropTransform, jointsBox, placeOver, project, shifted, typicalCamera } from "./camera.js";
import { mapped, mean, times } from "./linear.js";

export class PoseModel {
  /** facts: `hand` and `model` of facts.json; correction: by the detector's depths, or null. */
  constructor(network, { hand, model }, correction) {
    this.network = network;
    this.correction = correction;
    this.hand = hand;
    this.model = model;
  }

  /**
   * The pose of a hand: `uv` px; `jointsMm` relative to the root, in the camera's frame, of a
   * hand of mean size; `rootMm` where that root is.
   *
   * keypoints: 21 [x, y] px, joint 0 the wrist; depths: px behind it; side: 0 left, 1 right.
   */
  async estimate({ uv: keypoints, depths, side }, width, height) {
    const { model } = this;
    const K = typicalCamera(width, height, model.typical_focal);
    const [centre, boxSide] = jointsBox(keypoints, K, model);
    const [H, A] = cropTransform(centre, boxSide, K, {
      mirror: model.side === "mirror" && side === this.hand.left,
      perspective: model.perspective_crop,
    });
    const x = this.withRoot(keypoints).map((point) => mapped(H, point).map((v) => v - 0.5));
    const inputs = { x: Float32Array.from(x.flat()) };
    if (model.side === "input") inputs.side = Float32Array.of(side);
    const { joints } = await this.network.run(inputs);
    const scaled = Array.from(joints, (value) => value * model.mean_scale_mm);
    const alone = times(rows(scaled, 3), A);
    const jointsMm = this.correction?.corrected(alone, keypoints, depths, side) ?? alone;
    const first = model.root === "palm" ? 1 : 0;
    const rootMm = placeOver(jointsMm.slice(first), keypoints.slice(first), K);
    return { uv: project(shifted(jointsMm, rootMm), K), jointsMm, rootMm };
  }

  /** Joint 0 as the model has it: the wrist, or the palm's middle. */
  withRoot(keypoints) {
    if (this.model.root !== "palm") return keypoints;
    return [mean(this.hand.palm_joints.map((joint) => keypoints[joint])), ...keypoints.slice(1)];
  }
}

export const rows = (values, width) =>
  Array.from({ length: values.length / width }, (_, i) => values.slice(width * i, width * (i + 1)));
