import { render } from "preact";
import { App } from "./app";
import { listen } from "./keys";
import { follow } from "./looks";
import { start, tick } from "./stream/page";
import "./style/page.css";

follow(() => new Date(tick.value).getHours());
listen();
start();
const box = document.getElementById("house");
if (box !== null) render(<App />, box);
