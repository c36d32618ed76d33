// Skeletons over a picture, and of a pose that turns.

import { bounds, mean } from "./linear.js";

const OUTLINE = "rgb(20 20 20)";
const TILT = 0.3;

/** Draws hands' skeletons: uv 21 [x, y] px of the canvas. */
export function drawSkeleton(context, uv, hand) {
  const [near, far] = bounds(uv);
  const width = Math.max(1.5, Math.max(far[0] - near[0], far[1] - near[1]) / 60);
  drawBones(context, uv, hand, width, uv.map((_, joint) => joint).reverse());
}

/**
 * Draws a pose in 3D, turned by `yaw` about the vertical through its middle, on a turntable.
 *
 * joints: 21 [x, y, z] in the camera's frame (x right, y down, z forward).
 */
export function drawTurned({ canvas, context }, joints, hand, yaw) {
  const { width, height } = canvas;
  const [near, far] = bounds(joints);
  const middle = mean([near, far]);
  const around = joints.map((joint) => joint.map((value, axis) => value - middle[axis]));
  const reach = Math.max(...around.map((joint) => Math.hypot(...joint)));
  const scale = (0.42 * Math.min(width, height)) / reach;
  const seen = (point) => view(point, yaw).map((value) => scale * value);
  const place = ([x, y]) => [width / 2 + x, height / 2 + y];
  context.clearRect(0, 0, width, height);
  drawTurntable(context, 0.8 * reach, far[1] - middle[1] + 0.12 * reach, (p) => place(seen(p)));
  const points = around.map(seen);
  const farFirst = points.map((_, joint) => joint).sort((a, b) => points[b][2] - points[a][2]);
  drawBones(context, points.map(place), hand, Math.min(width, height) / 75, farFirst);
}

function view([x, y, z], yaw) {
  const [cos, sin] = [Math.cos(yaw), Math.sin(yaw)];
  const [across, forward] = [cos * x + sin * z, cos * z - sin * x];
  const [c, s] = [Math.cos(TILT), Math.sin(TILT)];
  return [across, c * y - s * forward, s * y + c * forward];
}

function drawTurntable(context, radius, below, place) {
  const circle = (part) =>
    Array.from({ length: 73 }, (_, i) => {
      const angle = (i / 36) * Math.PI;
      return place([part * radius * Math.cos(angle), below, part * radius * Math.sin(angle)]);
    });
  const spokes = [0, 1, 2, 3].map((i) => {
    const [x, z] = [radius * Math.cos((i * Math.PI) / 4), radius * Math.sin((i * Math.PI) / 4)];
    return [place([-x, below, -z]), place([x, below, z])];
  });
  context.lineWidth = 1;
  context.strokeStyle = "rgb(128 128 128 / 45%)";
  for (const line of [circle(1), circle(0.5), ...spokes]) stroke(context, line);
}

function drawBones(context, points, hand, width, order) {
  context.lineCap = context.lineJoin = "round";
  for (const joint of order) {
    const colour = `rgb(${hand.colours[joint].join(" ")})`;
    const parent = hand.parents[joint];
    if (parent >= 0) {
      for (const [style, part] of [[OUTLINE, 1.7], [colour, 1]]) {
        context.strokeStyle = style;
        context.lineWidth = part * width;
        stroke(context, [points[parent], points[joint]]);
      }
    }
    context.beginPath();
    const large = joint === 0 || hand.tips.includes(joint);
    context.arc(...points[joint], (large ? 1.5 : 1.15) * width, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
    context.lineWidth = 0.35 * width;
    context.strokeStyle = OUTLINE;
    context.stroke();
  }
}

function stroke(context, line) {
  context.beginPath();
  line.forEach((point) => context.lineTo(...point));
  context.stroke();
}
