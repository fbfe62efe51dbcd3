import { render } from "preact";
import { watch } from "./alarms";
import { App } from "./app";
import { flash } from "./flash";
import { listen } from "./keys";
import { follow } from "./looks";
import { wakeOnGesture } from "./sound/player";
import { start, tick } from "./stream/page";
import "./style/page.css";

follow(() => (void tick.value, Date.now())); // the hour of the day is the wall clock's
listen();
wakeOnGesture();
start();
watch();
flash();
const box = document.getElementById("house");
if (box !== null) render(<App />, box);
