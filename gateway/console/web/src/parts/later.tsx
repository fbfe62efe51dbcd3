/** Screens that not everybody opens come when they are opened: the first load stays small. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../words";

/** A component that is fetched when it is first shown; what it cannot be fetched for is said, and it is tried again. */
export function later<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let kept: ComponentType<P> | null = null;
  return function Later(props: P) {
    const [Found, setFound] = useState<ComponentType<P> | null>(() => kept);
    const [isLost, setLost] = useState(false);
    const fetchIt = (): void => {
      setLost(false);
      load().then(
        (component) => {
          kept = component;
          setFound(() => component);
        },
        () => setLost(true),
      );
    };
    useEffect(() => {
      if (Found === null) fetchIt();
    }, []);
    if (Found !== null) return <Found {...props} />;
    return (
      <p class="quiet">
        {isLost ? (
          <button type="button" onClick={fetchIt}>
            {t("later.again")}
          </button>
        ) : (
          t("later.coming")
        )}
      </p>
    );
  };
}
