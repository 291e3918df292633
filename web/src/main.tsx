/**
 * The operator's interface of Midwatch: begins everything. From here: `shell/` is the frame, `home/`, `look/`, `chart/`
 * and `pages/` are what it shows, `actions/` is all that can be done, `state/` what is known and its mirror in the
 * address bar, `api/` the only place that asks the server, `format/` numbers and times for people.
 * Must never put text from outside into the page as HTML, nor ask anything of another origin.
 */
import { render } from "preact";
import { listen } from "./actions/keyboard";
import { Shell } from "./shell/Shell";
import { start } from "./state/app";
import { apply, watchSystem } from "./state/theme";
import "uplot/dist/uPlot.min.css";
import "./css/colours.css";
import "./css/base.css";
import "./css/shell.css";
import "./css/palette.css";
import "./css/home.css";
import "./css/look.css";
import "./css/chart.css";
import "./css/pages.css";
import "./css/traces.css";
import "./css/changes.css";
import "./css/logs.css";
import "./css/compare.css";
import "./css/query.css";
import "./css/critic.css";
import "./css/advise.css";
import "./css/monitors.css";
import "./css/slos.css";
import "./css/captures.css";

apply();
watchSystem();
start();
listen();
const root = document.getElementById("app")!;
root.textContent = "";
render(<Shell />, root);
