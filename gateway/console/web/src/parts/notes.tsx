/**
 * Notes (F7). What is being written is kept outside the component and over a reload, one draft for each alarm: whatever comes
 * on the screen meanwhile, no character is lost.
 */
import { signal } from "@preact/signals";
import { mayAct, tell } from "../deeds";
import type { Alarm } from "../state/model";
import { clock } from "../state/time";
import { isLive } from "../stream/page";
import { t } from "../words";
import { Told } from "./where";

const KEPT = "campus.drafts";
const DRAFTS_MOST = 20;
const CHARS_MOST = 500;

const drafts = signal<ReadonlyMap<string, string>>(kept());

function kept(): Map<string, string> {
  try {
    const told: unknown = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return new Map(Array.isArray(told) ? (told as [string, string][]) : []);
  } catch {
    return new Map();
  }
}

function write(id: string, text: string): void {
  const now = new Map(drafts.value);
  now.delete(id);
  if (text !== "") now.set(id, text);
  const oldest = now.keys().next().value;
  if (now.size > DRAFTS_MOST && oldest !== undefined) now.delete(oldest);
  drafts.value = now;
  sessionStorage.setItem(KEPT, JSON.stringify([...now]));
}

/** F7, at once: whoever types on must not lose the first word. */
export function writeNote(): boolean {
  const box = document.querySelector<HTMLTextAreaElement>(".notes textarea");
  box?.focus();
  return box !== null;
}

export function Notes({ alarm }: { alarm: Alarm }) {
  const id = alarm.alarm_id;
  const text = drafts.value.get(id) ?? "";
  const send = async (): Promise<void> => {
    const said = text.trim();
    if (said !== "" && (await tell(alarm, said)) && drafts.peek().get(id)?.trim() === said) write(id, "");
  };
  return (
    <section class="notes">
      <h2>
        <kbd>F7</kbd> {t("alarm.note")}
      </h2>
      {mayAct.value ? (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          <textarea
            rows={2}
            aria-label={t("alarm.note")}
            maxLength={CHARS_MOST}
            value={text}
            onInput={(event) => write(id, event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
                event.preventDefault();
                void send();
              }
            }}
          />
          <button type="submit" disabled={text.trim() === "" || !isLive.value}>
            {t("note.keep")}
          </button>
        </form>
      ) : null}
      <ol>
        {[...(alarm.notes ?? [])].reverse().map((note) => (
          <li key={`${note.at}${note.by}${note.text}`}>
            <time>{clock(note.at)}</time> <Told text={note.by} most={20} /> <Told text={note.text} most={500} />
          </li>
        ))}
        {alarm.note === null || alarm.note === "" ? null : (
          <li>
            <time>{clock(alarm.closed_at)}</time> <Told text={alarm.closed_by ?? ""} most={20} /> <Told text={alarm.note} most={500} />
          </li>
        )}
      </ol>
    </section>
  );
}
