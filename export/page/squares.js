// Turned squares of a picture, as dcmls_tf/photos/detection.py has them: matrices from (0, 0)–(1, 1),
// fingers up, to px.

import { apply, bounds, mean, transpose } from "./linear.js";

/** The square around the hand of a palm: its box [left, top, right, bottom] and points, px. */
export function ofPalm(box, points, facts) {
  const turn = turnOf(points[facts.wrist_point], points[facts.middle_point]);
  const size = [box[2] - box[0], box[3] - box[1]];
  const ahead = apply(turn, [0, -facts.roi_shift * size[1]]);
  const middle = [(box[0] + box[2]) / 2 + ahead[0], (box[1] + box[3]) / 2 + ahead[1]];
  return square(middle, facts.roi_scale * Math.max(...size), turn);
}

/** The square around a hand whose 21 joints are known, px. */
export function ofJoints(uv, facts) {
  const knuckles = facts.knuckles.map((joint) => uv[joint]);
  const turn = turnOf(uv[0], mean([mean([knuckles[0], knuckles[2]]), knuckles[1]]));
  const steady = facts.steady_joints.map((joint) => apply(transpose(turn), uv[joint]));
  const [near, far] = bounds(steady);
  const size = [far[0] - near[0], far[1] - near[1]];
  const [x, y] = mean([near, far]);
  const middle = apply(turn, [x, y - facts.joints_shift * size[1]]);
  return square(middle, facts.joints_scale * Math.max(...size), turn);
}

/** The square that holds the whole of a picture. */
export function ofPicture(width, height) {
  const side = Math.max(width, height);
  return square([width / 2, height / 2], side, [[1, 0], [0, 1]]);
}

/** The rotation after which up is where the fingers are from the wrist. */
function turnOf(wrist, fingers) {
  const angle = Math.atan2(fingers[0] - wrist[0], wrist[1] - fingers[1]);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [[cos, -sin], [sin, cos]];
}

function square(middle, side, turn) {
  const corner = apply(turn, [side / 2, side / 2]);
  return [
    [side * turn[0][0], side * turn[0][1], middle[0] - corner[0]],
    [side * turn[1][0], side * turn[1][1], middle[1] - corner[1]],
    [0, 0, 1],
  ];
}

/**
 * A square of a picture as RGB in [0, 1], size × size × 3, bilinear.
 *
 * picture: an ImageData; outside: "black", or "edge" to repeat the picture's edge.
 */
export function cut({ data, width, height }, toPicture, size, outside) {
  const out = new Float32Array(size * size * 3);
  const [[a, b, c], [d, e, f]] = toPicture;
  const black = outside === "black";
  let at = 0;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [s, t] = [(column + 0.5) / size, (row + 0.5) / size];
      const x = a * s + b * t + c - 0.5;
      const y = d * s + e * t + f - 0.5;
      const [left, top] = [Math.floor(x), Math.floor(y)];
      const [right, down] = [x - left, y - top];
      for (let corner = 0; corner < 4; corner++) {
        let [px, py] = [left + (corner & 1), top + (corner >> 1)];
        const weight = (corner & 1 ? right : 1 - right) * (corner >> 1 ? down : 1 - down) / 255;
        if (black && (px < 0 || py < 0 || px >= width || py >= height)) continue;
        px = Math.min(Math.max(px, 0), width - 1);
        py = Math.min(Math.max(py, 0), height - 1);
        const from = 4 * (py * width + px);
        for (let channel = 0; channel < 3; channel++) out[at + channel] += weight * data[from + channel];
      }
      at += 3;
    }
  }
  return out;
}
