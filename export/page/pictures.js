// Pictures of files and of the camera, as pixels.

// Longer side of what is looked at; no network here sees more than 224 px of a hand.
const LARGEST_SIDE = 2048;

/** A canvas that is drawn to and read from. */
export class Board {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
  }

  /** Shows a picture, reduced where it is very large; its pixels as an ImageData. */
  show(source, width, height) {
    const factor = Math.min(1, LARGEST_SIDE / Math.max(width, height));
    const size = [width, height].map((side) => Math.max(1, Math.round(factor * side)));
    if (this.canvas.width !== size[0]) this.canvas.width = size[0];
    if (this.canvas.height !== size[1]) this.canvas.height = size[1];
    this.context.fillStyle = "white";
    this.context.fillRect(0, 0, ...size);
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(source, 0, 0, ...size);
    return this.context.getImageData(0, 0, ...size);
  }
}

/** The picture in a file, upright. */
export async function decoded(file) {
  try {
    return await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
    });
  } catch {
    throw new Error(`${file.name ?? "this"} is no picture that this browser reads; give a JPEG, PNG or WebP`);
  }
}

/** The camera's stream, playing in a video element. */
export async function camera(video) {
  if (!navigator.mediaDevices) throw new Error("the camera needs an address with https:// or localhost");
  try {
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 } };
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted });
  } catch (error) {
    throw new Error(`the camera cannot be used (${error.message}); give a photo`);
  }
  await video.play();
  return video;
}

export function stop(video) {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
}
