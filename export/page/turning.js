// A canvas in which something turns slowly, or as it is dragged.

const TURN_S = 8; // seconds of a whole turn
const LARGEST_SIDE = 800; // px

export class Turning {
  /** draw(view, joints, yaw) is called for every frame while `joints` is set. */
  constructor(canvas, draw) {
    this.canvas = canvas;
    this.view = { canvas, context: canvas.getContext("2d") };
    this.draw = draw;
    this.joints = null;
    this.yaw = 0;
    this.held = false;
    canvas.onpointerdown = (event) => {
      this.held = true;
      canvas.setPointerCapture(event.pointerId);
    };
    canvas.onpointerup = canvas.onpointercancel = () => (this.held = false);
    canvas.onpointermove = (event) => {
      if (this.held) this.yaw += (2 * Math.PI * event.movementX) / canvas.clientWidth;
    };
    let last = performance.now();
    const frame = (now) => {
      if (!this.held) this.yaw += (2 * Math.PI * (now - last)) / (1000 * TURN_S);
      last = now;
      this.show();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  show() {
    const side = Math.min(LARGEST_SIDE, Math.round(this.canvas.clientWidth * devicePixelRatio));
    if (side && this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    if (this.joints) this.draw(this.view, this.joints, this.yaw);
    else this.view.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
}
