/** Words that a device, a camera or a person chose: text, cut off where it is long, and never turning what stands around it. */
import type { Alarm, Words } from "../state/model";
import { either, named } from "../words";

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

/** What happened, in the reader's language, without the place and the name: they stand beside it already. */
export function factOf(alarm: Pick<Alarm, "text" | "words" | "device">): string {
  return factIn(alarm.words, alarm.text, alarm.device);
}

/** The same of any record; one that was written before there were words has its sentence. */
export function factIn(words: Words | null | undefined, sentence: string, device: { place: string; name: string } | undefined): string {
  const fact = words === null || words === undefined ? "" : either(words.zh || words.en, words.en || words.zh);
  return fact === "" ? bare(sentence, device) : fact;
}

/** A sentence without the place and the name that it begins with. */
function bare(sentence: string, device: { place: string; name: string } | undefined): string {
  let text = sentence;
  for (const said of [device?.place ?? "", device?.name ?? ""]) if (said !== "" && text.startsWith(said)) text = text.slice(said.length).trimStart();
  return text === "" ? sentence : text;
}

/** Whether a sentence says its kind already; English writes it small inside of one. */
export function startsWith(fact: string, kind: string): boolean {
  return fact.toLowerCase().startsWith(kind.toLowerCase());
}

/** Its kind and what happened; the kind only once, where the sentence says it too. */
export function What({ alarm, most }: { alarm: Alarm; most: number }) {
  const kind = named("kind", alarm.kind);
  const fact = factOf(alarm);
  return (
    <>
      {startsWith(fact, kind) ? "" : `${kind} `}
      <Told text={fact} most={most} />
    </>
  );
}
