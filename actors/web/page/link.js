// The line to the supervisor: a stream, and polling when the stream does not come. It knows when it has heard last.

const LOST_AFTER_MS = 4000; // the stream speaks every second: four that are missing are no accident
const POLL_MS = 2000;
const AGAIN_MS = 2000;
const ANSWER_MS = 3500; // a poll that takes longer is no answer

export class Link {
  constructor({ onBoard, onPast, onPoints }) {
    this.heardAt = null; // performance.now() of the last board
    this.startedAt = performance.now();
    this.polling = false;
    this.busy = false;
    this.source = null;
    this.onBoard = onBoard;
    this.onPast = onPast;
    this.onPoints = onPoints;
    this.open();
    setInterval(() => this.watch(), POLL_MS);
  }

  get silentMs() {
    return performance.now() - (this.heardAt ?? this.startedAt);
  }

  get lost() {
    return this.silentMs > LOST_AFTER_MS;
  }

  open() {
    this.source?.close();
    const source = new EventSource("/api/stream");
    this.source = source;
    source.addEventListener("past", (event) => this.onPast(JSON.parse(event.data)));
    source.addEventListener("point", (event) => this.onPoints(JSON.parse(event.data)));
    source.addEventListener("board", (event) => {
      this.polling = false;
      this.hear(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      if (source !== this.source) return;
      source.close();
      this.polling = true;
      setTimeout(() => source === this.source && this.open(), AGAIN_MS);
    });
  }

  hear(board) {
    this.heardAt = performance.now();
    this.onBoard(board);
  }

  // A stream may be open and silent (a proxy that collects, a network that is gone): then we ask.
  watch() {
    if (this.silentMs > POLL_MS) this.polling = true;
    if (this.polling) this.poll();
  }

  async poll() {
    if (this.busy) return;
    this.busy = true;
    try {
      const answer = await fetch("/api/board", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
      if (answer.ok) this.hear(await answer.json());
    } catch {
      // no answer: `lost` says so
    } finally {
      this.busy = false;
    }
  }

  async refresh() {
    this.open();
    await this.poll();
  }
}
