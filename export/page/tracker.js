// Hands followed from frame to frame, as dcmls_tf/photos/tracking.py does: each is looked for where
// it was, and the palm detector, which is slow, runs where one came or was lost.

import { mapped } from "./linear.js";
import * as squares from "./squares.js";

export class Tracker {
  /** facts: `hand`, `detector` and `tracker` of facts.json. */
  constructor(detector, { hand, detector: squareFacts, tracker }, maxHands) {
    Object.assign(this, { detector, hand, squareFacts, facts: tracker, maxHands });
    this.tracks = [];
    this.frame = 0;
  }

  /** The hands in the next frame, as `Detector.find` gives them. */
  async next(picture) {
    const before = this.tracks.length;
    await this.follow(picture);
    const isTurn = this.frame++ % this.facts.look_around === 0;
    if (isTurn || !this.tracks.length || this.tracks.length < before) await this.lookAround(picture);
    return this.tracks.map(({ seen, right }) => ({
      ...seen,
      side: right >= 0 ? this.hand.right : this.hand.left,
    }));
  }

  async follow(picture) {
    const known = this.tracks;
    this.tracks = [];
    for (const track of known) {
      const found = await this.detector.again(picture, track.lookedFor);
      if (found && this.isNew(found)) this.add(track, found);
    }
  }

  async lookAround(picture) {
    if (this.tracks.length >= this.maxHands) return;
    for (const found of await this.detector.find(picture, this.maxHands))
      if (this.tracks.length < this.maxHands && this.isNew(found))
        this.add({ lookedFor: found, right: 0 }, found);
  }

  isNew(found) {
    return this.detector.isNew(found, this.tracks.map((track) => track.seen));
  }

  add(track, found) {
    const sign = found.side === this.hand.right ? 1 : -1;
    this.tracks.push({
      seen: found,
      lookedFor: this.isOff(track.lookedFor, found) ? found : track.lookedFor,
      right: this.facts.memory * track.right + sign * (found.sideScore - 0.5),
    });
  }

  /** Whether the square around a hand has moved from where it is looked for. */
  isOff(known, found) {
    const [before, now] = [known, found].map(({ uv }) => squares.ofJoints(uv, this.squareFacts));
    const gaps = [[0, 0], [1, 0], [0, 1], [1, 1]].flatMap((corner) => {
      const [from, to] = [mapped(before, corner), mapped(now, corner)];
      return [Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
    });
    return Math.max(...gaps) > this.facts.steady * Math.hypot(now[0][0], now[1][0]);
  }
}
