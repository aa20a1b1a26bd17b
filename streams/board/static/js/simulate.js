import { byId } from "./dom.js";
export function openSimulation(store) { byId("simulation").showModal(); }
