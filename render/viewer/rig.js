// ARKit weights to targets and joints, as docs/export.md has them: jawOpen, jawLeft, jawRight and eyeLook* turn joints
// and have a corrective target too; a lid slides on an arc, whose second part has weight 4 w (1 - w); pose_* targets
// carry what a turned joint's R - I holds beyond the targets of those names.

const EYE = (side) => ({
  x: [`eyeLookDown${side}`, `eyeLookUp${side}`],
  y: [`eyeLookOut${side}`, `eyeLookIn${side}`],
});

/** Which names turn which joint, about its x and its y axis. */
export const TURNED_BY = {
  jaw: { x: ["jawOpen"], y: ["jawLeft", "jawRight"] },
  left_eye: EYE("Left"),
  right_eye: EYE("Right"),
};

const JOINT_OF = new Map(
  Object.entries(TURNED_BY).flatMap(([joint, { x, y }]) => [...x, ...y].map((name) => [name, joint])),
);

/** Rotation about x and y, radians, that weights give a joint. */
export function turnOf(joint, weight, clip) {
  if (joint === "jaw") {
    return [weight("jawOpen") * clip.jawOpenRad, (weight("jawLeft") - weight("jawRight")) * clip.jawSideRad];
  }
  const [up, down, inward, outward] = clip.lookRad;
  const [side, sign] = joint === "left_eye" ? ["Left", 1] : ["Right", -1];
  return [
    weight(`eyeLookDown${side}`) * down - weight(`eyeLookUp${side}`) * up,
    sign * (weight(`eyeLookOut${side}`) * outward - weight(`eyeLookIn${side}`) * inward),
  ];
}

/** Unit quaternion [x, y, z, w] to axis-angle, radians. */
export function axisAngle([x, y, z, w]) {
  const sign = w < 0 ? -1 : 1;
  const sine = Math.hypot(x, y, z);
  const scale = sine < 1e-9 ? 2 * sign : (2 * sign * Math.atan2(sine, Math.abs(w))) / sine;
  return [x * scale, y * scale, z * scale];
}

/** Axis-angle to a unit quaternion. */
export function quaternion([x, y, z]) {
  const angle = Math.hypot(x, y, z);
  const scale = angle < 1e-9 ? 0.5 : Math.sin(angle / 2) / angle;
  return [x * scale, y * scale, z * scale, Math.cos(angle / 2)];
}

/** R - I of a quaternion, nine numbers row by row. */
export function feature([x, y, z, w]) {
  return [
    -2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
    2 * (x * y + z * w), -2 * (x * x + z * z), 2 * (y * z - x * w),
    2 * (x * z - y * w), 2 * (y * z + x * w), -2 * (x * x + y * y),
  ];
}

const clamped = (value) => Math.min(Math.max(value, 0), 1);

/**
 * Put weights of one's own into a sampled pose; on a head whose names are ARKit's they turn joints as well.
 * `weights` (a number a target) and `turns` (joint -> quaternion) are changed; `index` names the targets;
 * `wanted` maps names of targets to weights, those that differ from the sample only: in [0, 1], or as far as a component
 * with a name of its own goes.
 */
export function override(weights, turns, index, wanted, clip) {
  const put = (name, value) => {
    if (index.has(name)) weights[index.get(name)] = value;
  };
  const joints = new Set();
  for (const [name, value] of wanted) {
    put(name, value);
    put(`${name}_over`, 0);
    put(`${name}_under`, 0);
    if (name.startsWith("eyeBlink")) {
      put(`${name}_bulge`, 4 * value * (1 - value));
      put(`${name}_bulge_over`, 0);
      put(`${name}_bulge_under`, 0);
    }
    if (clip.arkit && JOINT_OF.has(name)) joints.add(JOINT_OF.get(name));
  }
  const weight = (name) => weights[index.get(name)];
  for (const joint of joints) {
    const { x, y } = TURNED_BY[joint];
    const turn = axisAngle(turns[joint]); // what no name says, as the jaw's twist, stays
    const [pitch, yaw] = turnOf(joint, weight, clip);
    if (x.some((name) => wanted.has(name))) turn[0] = pitch;
    if (y.some((name) => wanted.has(name))) turn[1] = yaw;
    turns[joint] = quaternion(turn);
    const rest = feature(turns[joint]);
    for (const name of [...x, ...y]) {
      const alone = turnOf(joint, (other) => (other === name ? 1 : 0), clip);
      feature(quaternion([...alone, 0])).forEach((value, i) => (rest[i] -= value * weight(name)));
    }
    rest.forEach((value, i) => {
      const target = `pose_${joint}_${Math.floor(i / 3)}${i % 3}`;
      put(target, clamped(value));
      put(`${target}_under`, clamped(-value));
      put(`${target}_over`, 0);
    });
  }
}
