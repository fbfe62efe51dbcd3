/** The shared worker: one connection to the gateway for all pages of this browser. */
import { Carrier } from "./carrier";
import type { ToWorker } from "./talk";

const carrier = new Carrier();

// The library of types for workers and that for pages exclude each other; this is all of the former we need.
const scope = self as unknown as { onconnect: (event: MessageEvent) => void };

scope.onconnect = (event) => {
  const port = event.ports[0];
  if (port === undefined) return;
  const page = carrier.join((message) => port.postMessage(message));
  port.onmessage = (message: MessageEvent<ToWorker>) => {
    if (message.data.is === "bye") page.leave();
    else if (message.data.is === "again") carrier.again();
    else page.here(message.data.sounds);
  };
};
