// Small matrices and points: rows of numbers.

export const transpose = (a) => a[0].map((_, j) => a.map((row) => row[j]));

export const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

export const times = (a, b) => {
  const columns = transpose(b);
  return a.map((row) => columns.map((column) => dot(row, column)));
};

export const apply = (a, point) => a.map((row) => dot(row, point));

/** A point [x, y] through a 3×3 matrix, whose last row may be a perspective's. */
export const mapped = (a, [x, y]) => {
  const [u, v, w] = apply(a, [x, y, 1]);
  return [u / w, v / w];
};

/** The inverse of a 3×3 matrix. */
export function inverse([a, b, c]) {
  const columns = [cross(b, c), cross(c, a), cross(a, b)];
  const determinant = dot(a, columns[0]);
  return transpose(columns.map((column) => column.map((value) => value / determinant)));
}

const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** The smallest and the largest of points, axis by axis. */
export const bounds = (points) => {
  const axes = transpose(points);
  return [axes.map((values) => Math.min(...values)), axes.map((values) => Math.max(...values))];
};

export const mean = (points) =>
  transpose(points).map((values) => values.reduce((a, b) => a + b) / values.length);
