/** The look for a screen in the sun; pressed again, the look is by the hour. */
import { look } from "../../looks";
import { t } from "../../words";

export function Sun() {
  const isOn = look.value === "sun";
  return (
    <button type="button" class="sun" aria-pressed={isOn} onClick={() => (look.value = isOn ? "auto" : "sun")}>
      <span aria-hidden="true">☀</span> {t("look.sun")}
    </button>
  );
}
