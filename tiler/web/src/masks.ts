/** The default cloud mask as the map shows it. */
type Colour = readonly [red: number, green: number, blue: number, alpha: number];

/** What the default mask leaves out, by Sen2Cor's scene classes, in colours that nothing on the ground has. */
export const MASKED: Readonly<
  Record<"cloud" | "cirrus" | "shadow" | "saturated", [Colour, readonly number[]]>
> = {
  cloud: [
    [255, 0, 220, 150],
    [8, 9],
  ],
  cirrus: [[255, 160, 240, 150], [10]],
  shadow: [[60, 70, 255, 150], [3]],
  saturated: [[255, 60, 0, 170], [1]],
};
