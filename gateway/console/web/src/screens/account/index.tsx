/** Who is signed on, until when, and who else is; one's own PIN; for an admin everybody's. */
import "../../style/account.css";
import { useEffect, useState } from "preact/hooks";
import { get, me, post, type Door, type Me } from "../../api";
import { guide, named, t } from "../../words";
import { untilOf } from "../../parts/time";
import { Told } from "../../parts/where";
import { Personnel } from "./personnel";
import { NewPin, useSaid } from "./pins";

export function Account() {
  const [door, setDoor] = useState<Door | null>(null);
  const { said, wrong, tell } = useSaid();
  useEffect(() => void get<Door>("/api/v1/session/people").then(setDoor, () => undefined), []);
  const who = me.value;
  if (who === null) return null;
  const others = (door?.on_duty ?? []).filter((each) => each.name !== who.name);
  return (
    <section class="account">
      <h1>
        <Told text={who.name} most={40} /> {named("role", who.role)} {untilOf(who)}
      </h1>
      {others.length === 0 ? null : (
        <p>
          {t("duty.others")}{" "}
          {others.map((each) => (
            <span key={each.name}>
              <Told text={each.name} most={20} /> {untilOf(each)}{" "}
            </span>
          ))}
        </p>
      )}
      {who.has_pin ? (
        <>
          <h2>{t("account.pin")}</h2>
          <NewPin
            asksOld
            save={(old, secret, duress) =>
              tell(async () => {
                me.value = await post<Me>("/api/v1/session/secret", { old, secret, duress });
              }, t("account.pin.done"))
            }
          />
          {said === "" ? null : <p role={wrong ? "alert" : "status"}>{said}</p>}
        </>
      ) : (
        <p>{t("account.token")}</p>
      )}
      <p>
        <a href={guide()} target="_blank" rel="noopener">
          {t("nav.guide")}
        </a>
      </p>
      {who.rights.includes("people") ? <Personnel /> : null}
    </section>
  );
}
