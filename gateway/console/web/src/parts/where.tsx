/** Words that a device, a camera or a person chose: text, cut off where it is long, and never turning what stands around it. */
import type { Alarm } from "../state/model";

export function Told({ text, most = 120 }: { text: string; most?: number }) {
  const chars = [...text.slice(0, most * 2)];
  const shown = chars.length > most || text.length > most * 2 ? `${chars.slice(0, most).join("")}…` : text;
  return (
    <bdi class="told" dir="auto" title={shown === text ? undefined : text.slice(0, 1000)}>
      {shown}
    </bdi>
  );
}

/** Place before device: that is where somebody has to run. */
export function Where({ place, name }: { place: string; name: string }) {
  return (
    <span class="where">
      {place === "" ? null : (
        <strong>
          <Told text={place} most={40} />
        </strong>
      )}{" "}
      <Told text={name} most={60} />
    </span>
  );
}

/** What happened, without the place and the name that the gateway's sentence begins with: they stand beside it already. */
export function factOf(alarm: Alarm): string {
  const { place, name } = alarm.device;
  let text = alarm.text;
  for (const said of [place, name]) if (said !== "" && text.startsWith(said)) text = text.slice(said.length).trimStart();
  return text === "" ? alarm.text : text;
}
