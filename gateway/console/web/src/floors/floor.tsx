/** A floor plan with what stands on it: Leaflet over the plan's picture. In the plan's units, y grows downwards. */
import L from "leaflet";
import "leaflet/dist/leaflet.css";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../words";
import { SHAPES, angleTo, bearing, clusters, cone, handles, reachOf, worst, type Mark, type Place, type Plan } from "./marks";

const NEAR_PX = 34;
const MARK_PX = 34;
/** What is taken hold of with a glove on. */
const HELD_PX = 44;

interface FloorOf {
  plan: Plan;
  marks: readonly Mark[];
  /** Marks may be dragged; what was dragged is told when it is let go. */
  isPlanning: boolean;
  moved?: (place: Place) => void;
  chosen?: (mark: Mark) => void;
  /** The camera whose view can be taken hold of. */
  held?: Place | null;
  /** Points that were touched to measure the plan. */
  points?: readonly { x: number; y: number }[];
  /** Somebody touched the plan itself. */
  touched?: (x: number, y: number) => void;
  /** Something from outside was dropped onto it. */
  dropped?: (what: string, x: number, y: number) => void;
  /** Shown large around there; null: all of it. */
  around?: Place | null;
  label: string;
}

/** Leaflet's y grows upwards. */
function to(x: number, y: number): L.LatLngExpression {
  return [-y, x];
}

export function Floor(of: FloorOf) {
  const box = useRef<HTMLDivElement>(null);
  const map = useRef<L.Map | null>(null);
  const layer = useRef<L.LayerGroup | null>(null);
  const now = useRef(of);
  now.current = of;
  const { plan, around } = of;
  useEffect(() => {
    if (box.current === null) return;
    const made = L.map(box.current, { crs: L.CRS.Simple, attributionControl: false, zoomControl: false, zoomSnap: 0.25, minZoom: -8, maxZoom: 4, keyboard: false, zoomAnimation: false, fadeAnimation: false, markerZoomAnimation: false });
    L.control.zoom({ zoomInTitle: t("floor.zoom.in"), zoomOutTitle: t("floor.zoom.out") }).addTo(made);
    const bounds = L.latLngBounds(to(0, plan.height), to(plan.width, 0));
    L.imageOverlay(plan.picture, bounds, { alt: plan.name }).addTo(made);
    layer.current = L.layerGroup().addTo(made);
    map.current = made;
    const fit = (): void => {
      const at = now.current.around;
      made.invalidateSize({ animate: false });
      if (at == null) made.fitBounds(bounds, { animate: false });
      else {
        const reach = Math.max(plan.width, plan.height) * 0.15;
        made.fitBounds(L.latLngBounds(to(at.x - reach, at.y + reach), to(at.x + reach, at.y - reach)), { animate: false });
      }
    };
    fit();
    const draw = (): void => paint(made, layer.current, now.current);
    made.on("zoomend", draw);
    made.on("click", (event: L.LeafletMouseEvent) => now.current.touched?.(event.latlng.lng, -event.latlng.lat));
    const sizes = new ResizeObserver(fit);
    sizes.observe(box.current);
    return () => {
      sizes.disconnect();
      made.remove();
      map.current = null;
    };
  }, [plan.id, around?.x, around?.y]);
  const key = JSON.stringify(of.marks.map((mark) => [mark.place, mark.look, mark.isCalling, mark.name]));
  useEffect(() => {
    if (map.current !== null) paint(map.current, layer.current, now.current);
  }, [key, of.isPlanning, plan.id, around?.x, around?.y, JSON.stringify([of.held ?? null, of.points ?? []]), plan.metres_per_unit]);
  return (
    <div
      class="floor"
      ref={box}
      role="group"
      aria-label={of.label}
      onDragOver={(event) => of.isPlanning && event.preventDefault()}
      onDrop={(event) => {
        const what = event.dataTransfer?.getData("text/plain") ?? "";
        if (map.current === null || box.current === null || what === "") return;
        event.preventDefault();
        const edge = box.current.getBoundingClientRect();
        const at = map.current.containerPointToLatLng([event.clientX - edge.left, event.clientY - edge.top]);
        of.dropped?.(what, at.lng, -at.lat);
      }}
    />
  );
}

function paint(map: L.Map, layer: L.LayerGroup | null, of: FloorOf): void {
  if (layer === null) return;
  layer.clearLayers();
  const reach = reachOf(of.plan);
  for (const mark of of.marks) {
    const corners = mark.place.kind === "camera" ? cone(mark.place, reach) : [];
    if (corners.length > 0) L.polygon(corners.map(([x, y]) => to(x, y)), { className: "cone", interactive: false }).addTo(layer);
  }
  for (const point of of.points ?? []) L.circleMarker(to(point.x, point.y), { radius: 7, className: "measured", interactive: false }).addTo(layer);
  if (of.isPlanning && of.held?.kind === "camera" && of.held.direction !== null) hold(layer, of, of.held, reach);
  const unitsPerPx = 1 / map.getZoomScale(map.getZoom(), 0);
  for (const group of clusters(of.marks, of.isPlanning ? 0 : NEAR_PX * unitsPerPx)) {
    const first = group.marks[0];
    if (first === undefined) continue;
    const isOne = group.marks.length === 1;
    const marker = L.marker(to(group.x, group.y), { icon: icon(group.marks, of.isPlanning ? HELD_PX : MARK_PX), draggable: of.isPlanning && isOne, keyboard: true, alt: group.marks.map((mark) => mark.name).join(", ") });
    marker.on("click", () => (isOne ? now(of, first) : map.setView(to(group.x, group.y), map.getZoom() + 1.5, { animate: false })));
    marker.on("dragend", () => {
      const at = marker.getLatLng();
      const x = Math.min(Math.max(at.lng, 0), of.plan.width);
      const y = Math.min(Math.max(-at.lat, 0), of.plan.height);
      of.moved?.({ ...first.place, x, y });
    });
    marker.addTo(layer);
    // Names of devices are put in as text: a tooltip of Leaflet would take them for markup.
    const element = marker.getElement();
    element?.setAttribute("title", group.marks.map((mark) => mark.name).join("\n"));
    element?.setAttribute("data-place", group.marks.map((mark) => mark.place.id).join(" "));
  }
}

/** Two things to take hold of: where the camera looks, and how wide. */
function hold(layer: L.LayerGroup, of: FloorOf, place: Place, reach: number): void {
  const { middle, edge } = handles(place, reach);
  for (const [what, [x, y]] of [["direction", middle], ["angle", edge]] as const) {
    const marker = L.marker(to(x, y), { icon: L.divIcon({ html: "", className: `handle is-${what}`, iconSize: [44, 44], iconAnchor: [22, 22] }), draggable: true, zIndexOffset: 1000 });
    marker.on("dragend", () => {
      const at = marker.getLatLng();
      of.moved?.(what === "direction" ? { ...place, direction: bearing(place.x, place.y, at.lng, -at.lat) } : { ...place, angle: angleTo(place, at.lng, -at.lat) });
    });
    marker.addTo(layer);
  }
}

function now(of: FloorOf, mark: Mark): void {
  of.chosen?.(mark);
}

/** Shape, colour and number: an element of ours, so that no markup is made of words. */
function icon(marks: readonly Mark[], size: number): L.DivIcon {
  const look = worst(marks);
  const shape = document.createElement("span");
  shape.textContent = marks.length > 1 ? `${SHAPES[look]}${marks.length}` : SHAPES[look];
  const isCalling = marks.some((mark) => mark.isCalling);
  return L.divIcon({ html: shape, className: `mark-on-plan is-${look}${isCalling ? " calling" : ""}`, iconSize: [size, size], iconAnchor: [size / 2, size / 2] });
}
