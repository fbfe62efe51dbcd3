/** I1 to I3: the installer's first hour. Loaded when it is opened; a guard's page does not carry it. */
import { go, route } from "../../route";
import { t } from "../../words";
import { Add } from "./add";
import { Files } from "./files";
import { Find } from "./find";
import { Live } from "./live";
import { Sun } from "./sun";
import { Tables } from "./tables";
import "../../style/install.css";

const TABS = ["find", "add", "live", "tables", "files"] as const;

export function Install() {
  const [asked = "", ...rest] = route.value.id.split("/");
  const id = rest.join("/");
  const tab = TABS.find((each) => each === asked) ?? "find";
  return (
    <section class="install">
      <nav class="doing tabs" aria-label={t("nav.setup")}>
        {TABS.map((each) => (
          <button key={each} type="button" aria-current={tab === each ? "page" : undefined} onClick={() => go("setup", each)}>
            {t(`setup.tab.${each}`)}
          </button>
        ))}
        <Sun />
      </nav>
      {tab === "add" ? <Add /> : tab === "live" ? <Live key={id} id={id} /> : tab === "tables" ? <Tables path={id} /> : tab === "files" ? <Files /> : <Find />}
    </section>
  );
}
