// Cameras and crops, as dcmls_tf/geometry.py and dcmls_tf/placement.py have them.
// The camera's frame: x right, y down, z forward, mm. Pixels count from the corner of the first.

import { apply, bounds, dot, inverse, mapped, mean, times } from "./linear.js";

const MIN_DEPTH_MM = 1;

export const intrinsics = (focal, x, y) => [[focal, 0, x], [0, focal, y], [0, 0, 1]];

/** The camera of a picture of which nothing is known but its size. */
export const typicalCamera = (width, height, focal) =>
  intrinsics(focal * Math.max(width, height), width / 2, height / 2);

export const project = (points, K) =>
  points.map((point) => {
    const [u, v, w] = apply(K, point);
    return [u / Math.max(w, MIN_DEPTH_MM), v / Math.max(w, MIN_DEPTH_MM)];
  });

/** The square around joints: its middle and its side, px. */
export function jointsBox(uv, K, { crop_margin, max_off_axis, sides }) {
  const focal = K[0][0];
  const middle = [K[0][2], K[1][2]];
  const reach = max_off_axis * focal;
  const clipped = uv.map((point) =>
    point.map((value, axis) => clip(value, middle[axis] - reach, middle[axis] + reach)),
  );
  const [near, far] = bounds(clipped);
  const side = crop_margin * Math.max(far[0] - near[0], far[1] - near[1]);
  return [mean([near, far]), clip(side, sides[0] * focal, sides[1] * focal)];
}

/** H (px → parts of the crop) and A (the camera's frame → the crop's) of a square. */
export function cropTransform(centre, side, K, { mirror, perspective }) {
  const turn = [[mirror ? -1 : 1, 0, 0], [0, 1, 0], [0, 0, 1]];
  if (!perspective) {
    const shift = [[1, 0, -centre[0]], [0, 1, -centre[1]], [0, 0, 1]];
    const zoom = [[1 / side, 0, 0.5], [0, 1 / side, 0.5], [0, 0, 1]];
    return [times(times(zoom, turn), shift), turn];
  }
  const toRay = inverse(K);
  const look = lookAt(apply(toRay, [...centre, 1]));
  const toCrop = times(look, toRay);
  const edges = [[-1, 0], [1, 0], [0, -1], [0, 1]].map(([x, y]) =>
    mapped(toCrop, [centre[0] + (side / 2) * x, centre[1] + (side / 2) * y]),
  );
  const half = Math.max(...edges.flat().map(Math.abs));
  const A = times(turn, look);
  return [times(times(intrinsics(0.5 / half, 0.5, 0.5), A), toRay), A];
}

/** The smallest rotation that turns a direction to the optical axis. */
function lookAt(direction) {
  const length = Math.hypot(...direction);
  const [a, b, c] = direction.map((value) => value / length);
  const shared = (-a * b) / (1 + c);
  return [[1 - (a * a) / (1 + c), shared, -a], [shared, 1 - (b * b) / (1 + c), -b], [a, b, c]];
}

/** The shift in mm after which points lie over `uv`, px, and are as wide. */
export function placeOver(points, uv, K, rounds = 3) {
  const toRay = inverse(K);
  const centre = mean(uv);
  const wide = spread(uv, centre);
  let seen = points.map(([x, y]) => [x, y]);
  let shift;
  for (let round = 0; round < rounds; round++) {
    const middle = mean(seen);
    const ratio = wide / spread(seen, middle);
    const aims = seen.map((point) => point.map((v, i) => centre[i] + ratio * (v - middle[i])));
    shift = nearest(points, aims.map((aim) => mapped(toRay, aim)));
    seen = project(shifted(points, shift), K);
  }
  return shift;
}

export const shifted = (points, shift) => points.map((p) => p.map((value, i) => value + shift[i]));

const spread = (points, middle) =>
  Math.hypot(...points.flatMap((point) => point.map((value, i) => value - middle[i])));

/** The shift that brings points nearest to their rays (u, v, 1), by least squares. */
function nearest(points, rays) {
  const rows = [];
  const aims = [];
  points.forEach(([x, y, z], i) => {
    const [u, v] = rays[i];
    rows.push([1, 0, -u], [0, 1, -v]);
    aims.push(u * z - x, v * z - y);
  });
  const normal = [0, 1, 2].map((i) => [0, 1, 2].map((j) => dot(column(rows, i), column(rows, j))));
  return apply(inverse(normal), [0, 1, 2].map((i) => dot(column(rows, i), aims)));
}

const column = (rows, i) => rows.map((row) => row[i]);

const clip = (value, low, high) => Math.min(Math.max(value, low), high);
