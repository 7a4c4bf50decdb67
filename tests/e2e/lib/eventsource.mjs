// What Node lacks: an EventSource, as far as npm's centrifuge needs one. It never comes
// again by itself; that is the client's affair.
export class EventSource {
  constructor(url) {
    this.stop = new AbortController();
    this.read(url).catch((error) => this.stop.signal.aborted || this.onerror?.(error));
  }

  async read(url) {
    const response = await fetch(url, {
      headers: { accept: 'text/event-stream' },
      signal: this.stop.signal,
    });
    if (response.status !== 200) {
      throw new Error(`${response.status}`);
    }
    this.onopen?.();
    let rest = '';
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      const events = (rest + piece).split('\n\n');
      rest = events.pop();
      events.forEach((event) => this.hear(event));
    }
    throw new Error('the stream has ended');
  }

  hear(event) {
    const lines = event.split('\n').filter((line) => line.startsWith('data: '));
    if (lines.length) {
      this.onmessage?.({ data: lines.map((line) => line.slice(6)).join('\n') });
    }
  }

  close() {
    this.stop.abort();
  }
}
