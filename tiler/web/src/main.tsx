import { render } from "preact";
import "ol/ol.css";
import "./styles.css";
import { followLanguage } from "./i18n";
import { followJobs } from "./jobs";
import { followKeys } from "./keys";
import { followChoices } from "./load";
import { createMap } from "./map/map";
import { Panel } from "./panel/panel";
import { Shown } from "./panel/shown";
import { followAddress } from "./state/address";
import { followTheme } from "./theme";

/** The map is OpenLayers' own element; the rest is rendered around it. */
async function start(): Promise<void> {
  const app = document.getElementById("app");
  if (!app) throw new Error("index.html has no element with the id app");
  const map = document.createElement("section");
  map.className = "map";
  map.tabIndex = 0;
  const [shown, panel] = [document.createElement("div"), document.createElement("div")];
  app.append(map, shown, panel);

  await followLanguage();
  followTheme();
  followAddress();
  render(<Shown />, shown);
  render(<Panel />, panel);
  createMap(map);
  followChoices();
  followKeys();
  void followJobs();
}

void start();
