/** What a camera is called. */
import { house } from "../stream/page";

export function nameOfCamera(id: string): string {
  const known = house.cameras.value.find((each) => each.id === id);
  return known === undefined ? id : `${known.place} ${known.name}`.trim();
}
