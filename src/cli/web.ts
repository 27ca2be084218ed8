/** Main of the images of web servers: `web NAME`, where NAME is one of `SITES`; what comes behind it is the real server's, and left out. */
import { SITES, serveSite } from "../programs/web-server.ts";

const [name = "", ...rest] = process.argv.slice(2);
const site = SITES[name];
if (site === undefined) throw new Error(`usage: web ${Object.keys(SITES).join(" | ")}`);
process.title = name;
process.on("SIGTERM", () => process.exit(0));
process.on("SIGQUIT", () => process.exit(0));
if (rest.length > 0) process.stderr.write(`arguments are not read: ${rest.join(" ")}\n`);
await serveSite(site);
