/** When something is on the screen, as far as a page can know. */

/** Do it when two frames have gone by since the page was changed: it is on the screen. A page in the background paints nothing, and waits. */
export function afterPaint(work: () => void): void {
  requestAnimationFrame(() => requestAnimationFrame(work));
}
