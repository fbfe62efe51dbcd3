/** Digits to touch, for a PIN without a keyboard. */
import { t } from "../words";

const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "", "0", "⌫"] as const;

/** press: a digit, or "" to take the last one away. */
export function Digits({ press }: { press: (digit: string) => void }) {
  return (
    <div class="digits">
      {DIGITS.map((digit, index) =>
        digit === "" ? (
          <span key={index} />
        ) : (
          <button key={index} type="button" aria-label={digit === "⌫" ? t("sign.delete") : digit} onClick={() => press(digit === "⌫" ? "" : digit)}>
            {digit}
          </button>
        ),
      )}
    </div>
  );
}
