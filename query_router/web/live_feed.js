// The router's live feed: heard while the page is seen, and again after every interruption.

const RETRY_MS = 5000;

/** `heard(items)` gets changes, `status` what the feed does not hear, `lost(sentence or null)` whether it is there. */
export function startLiveFeed({ heard, status, lost }) {
  let source = null;
  let retry = null;

  function connect() {
    clearTimeout(retry);
    source?.close();
    source = new EventSource("/v1/live");
    source.addEventListener("open", () => lost(null));
    source.addEventListener("items", (event) => heard(JSON.parse(event.data)));
    source.addEventListener("status", (event) => status(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      lost("The live feed is interrupted: changes do not show here until it is back. Trying again.");
      if (source?.readyState === EventSource.CLOSED) retry = setTimeout(connect, RETRY_MS);
    });
  }

  function leave() {
    clearTimeout(retry);
    source?.close();
    source = null;
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : connect()));
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", (event) => event.persisted && connect());
  connect();
}
