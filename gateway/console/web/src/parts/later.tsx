/** Screens that not everybody opens come when they are opened: the first load stays small. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../words";

const AGAIN_MS = 5_000;
const loads: (() => Promise<unknown>)[] = [];

/** Fetch all of them in quiet: a gateway that is gone later takes no screen with it. */
export function fetchAll(): void {
  for (const load of loads) void load().catch(() => undefined); // whoever opens it tries again, and says so
}

/** A component that is fetched when it is first shown; what it cannot be fetched for is said, and it is tried again. */
export function later<P extends object>(fetched: () => Promise<ComponentType<P>>): ComponentType<P> {
  let kept: ComponentType<P> | null = null;
  const load = async (): Promise<ComponentType<P>> => (kept ??= await fetched());
  loads.push(load);
  return function Later(props: P) {
    const [Found, setFound] = useState<ComponentType<P> | null>(() => kept);
    const [isLost, setLost] = useState(false);
    const fetchIt = (): void => {
      setLost(false);
      load().then(
        (component) => {
          setFound(() => component);
        },
        () => setLost(true),
      );
    };
    useEffect(() => {
      if (Found === null) fetchIt();
    }, []);
    useEffect(() => {
      if (!isLost) return undefined;
      const timer = setInterval(fetchIt, AGAIN_MS); // nobody has to press for it
      return () => clearInterval(timer);
    }, [isLost]);
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
