// The time that everything shows. Where there is sound it is the master: pictures follow what is heard.

export class Clock {
  /** sounds: addresses of the clips' sounds, null for a silent one. */
  constructor(start, end, sounds) {
    Object.assign(this, { start, end, at: start, playing: false, loop: false, rate: 1 });
    this.sounds = sounds.map((address) => {
      if (!address) return null;
      const element = new Audio(address);
      element.preload = "auto";
      element.addEventListener("ended", () => element === this.sound && this.playing && this.finish());
      return element;
    });
    this.sound = this.sounds.find(Boolean) ?? null;
  }

  get time() {
    if (!this.playing) return this.at;
    if (this.sound) return Math.min(Math.max(this.sound.currentTime, this.start), this.end);
    return Math.min(this.at + ((performance.now() - this.since) / 1000) * this.rate, this.end);
  }

  async play() {
    if (this.at >= this.end - 1e-3) this.at = this.start;
    this.since = performance.now();
    if (this.sound) {
      this.sound.playbackRate = this.rate;
      this.sound.currentTime = this.at;
      await this.sound.play();
    }
    this.playing = true;
  }

  pause() {
    this.at = this.time;
    this.playing = false;
    this.sound?.pause();
  }

  seek(time) {
    this.at = Math.min(Math.max(time, this.start), this.end);
    this.since = performance.now();
    if (this.sound) this.sound.currentTime = this.at;
  }

  /** Call once a picture: stops or starts over at the end. */
  tick() {
    if (this.playing && this.time >= this.end - 1e-3) this.finish();
  }

  finish() {
    this.pause();
    this.at = this.end;
    if (this.loop) this.play();
  }

  setRate(rate) {
    const playing = this.playing;
    if (playing) this.at = this.time;
    this.since = performance.now();
    this.rate = rate;
    if (this.sound) this.sound.playbackRate = rate;
  }

  /** Hear clip i. */
  async listen(i) {
    const playing = this.playing;
    if (playing) this.pause();
    const { muted } = this.sound ?? { muted: false };
    this.sound = this.sounds[i] ?? this.sound;
    if (this.sound) this.sound.muted = muted;
    if (playing) await this.play();
  }

  get muted() {
    return this.sound?.muted ?? true;
  }

  set muted(muted) {
    for (const sound of this.sounds) if (sound) sound.muted = muted;
  }
}
