/** How much of a device is known: the wall and the plan say the same of it. Pure. */
import type { Device } from "./model";

/** Of a device that is heard: what of it is known. A button that lives and was never pressed is neither normal nor silent. */
export function knownOf(device: Device): "stale" | "unknown" | "partly" | "online" {
  if (device.points.some((point) => point.quality === "stale")) return "stale";
  const unknown = device.points.filter((point) => point.quality === "unknown").length;
  return unknown === 0 ? "online" : unknown === device.points.length ? "unknown" : "partly";
}
