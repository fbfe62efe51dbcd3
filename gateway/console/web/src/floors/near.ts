/** Cameras near a device, as the gateway ranks them: those that look there first, then by distance. Pure. */
import type { Table } from "../install/house";

export interface Near {
  camera: string;
  distance: number;
  metres: number | null;
  /** Whether it looks there; null when nobody said where it looks. */
  sees: boolean | null;
}

/** What an incident shows beside each other. */
const SUGGESTED_MOST = 4;

/** The cameras to link: those that look there; where none does, the nearest that may. One's back is never suggested, however near. */
export function suggested(near: readonly Near[]): string[] {
  const sure = near.filter((each) => each.sees === true);
  const chosen = sure.length > 0 ? sure.slice(0, SUGGESTED_MOST) : near.filter((each) => each.sees === null).slice(0, 1);
  return chosen.map((each) => each.camera);
}

/** The cameras that a device's table names. */
export function linkedOf(table: Table): string[] {
  const said = table["cameras"];
  return Array.isArray(said) ? said.map(String) : [];
}
