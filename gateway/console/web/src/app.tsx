/** The console: who is here, and which screen. */
import { useEffect, useState } from "preact/hooks";
import { get, me, remove, type Me } from "./api";
import { useAct } from "./keys";
import { Frame } from "./parts/frame";
import { readPlans } from "./plans";
import { go, route, tokenInAddress } from "./route";
import { Duty } from "./screens/duty";
import { HealthWall } from "./screens/health";
import { Incident } from "./screens/incident";
import { Log } from "./screens/log";
import { Phone } from "./screens/phone";
import { fetchAll, later } from "./parts/later";
import { SignOn, withToken } from "./screens/sign-on";
import { wake } from "./sound/player";
import { again, house, link } from "./stream/page";

const Account = later(() => import("./screens/account").then((found) => found.Account));
const Install = later(() => import("./screens/install").then((found) => found.Install));
const Playback = later(() => import("./screens/playback").then((found) => found.Playback));

export function App() {
  const [isAsked, setAsked] = useState(false);
  useEffect(() => {
    void wake(); // a kiosk's browser allows it; others wait for the first touch
    const token = tokenInAddress();
    const found = token === "" ? get<Me>("/api/v1/session") : withToken(token);
    found
      .then((who) => {
        me.value = who;
        again();
      })
      .catch(() => undefined) // nobody is signed on: the screen asks
      .finally(() => setAsked(true));
  }, []);
  if (!isAsked) return null;
  const isOut = link.value.signedOut;
  if (me.value === null || isOut) return <SignOn isOut={isOut && me.value !== null} ready={(found) => (me.value = found)} />;
  return <Signed />;
}

/** After signing on, when the first screen has its pictures. */
const FETCH_ALL_MS = 3_000;

function Signed() {
  const epoch = house.epoch.value;
  useEffect(() => {
    const timer = setTimeout(fetchAll, FETCH_ALL_MS);
    return () => clearTimeout(timer);
  }, [epoch]); // once more from a gateway that began anew: it may have been gone the first time
  useEffect(() => void readPlans(), [epoch]);
  useAct((act) => (act === "back" || act === "map" ? (go("duty"), true) : false));
  const signOff = (): void => {
    const over = (): void => {
      me.value = null;
      again();
    };
    void remove("/api/v1/session").then(over, over);
  };
  if (route.value.screen === "phone") return <Phone />;
  return <Frame signOff={signOff}>{screen()}</Frame>;
}

function screen() {
  switch (route.value.screen) {
    case "incident":
      return <Incident />;
    case "health":
      return <HealthWall />;
    case "playback":
      return <Playback />;
    case "setup":
      return <Install />;
    case "account":
      return <Account />;
    case "log":
      return <Log />;
    default:
      return <Duty />;
  }
}
