/** What the catalogue has told: the tiles held, and the items behind the images on the map. */
import { signal } from "@preact/signals";
import type { Scene } from "../catalogue";

/** One tile of the archive: its outline and its newest image. */
export interface HeldTile {
  readonly code: string;
  readonly scene: Scene;
  readonly newest: number;
}

export const heldTiles = signal<readonly HeldTile[]>([]);

export const coverageState = signal<"loading" | "ready" | "failed">("loading");

/** The items of the selected acquisition, and of the one it is compared with; null while they are looked up. */
export const scenes = signal<readonly Scene[] | null>(null);

export const otherScenes = signal<readonly Scene[] | null>(null);
