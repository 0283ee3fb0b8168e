// One head and its performance: read from its GLB, dressed, and posed at any time with weights of one's own on top.
import * as THREE from "./three.js";
import { bytesOf, pictureOf } from "./blobs.js";
import { pieceMaterial, sharedLight, wireMaterial } from "./light.js";
import { override } from "./rig.js";

const RECORD = 12; // bytes a vertex: light 4 x uint8, gaze 2 x float32

export class Face {
  /** Read clip number `i` of the page. */
  static async read(clip, i) {
    const bytes = await bytesOf(`glb${i}`);
    const gltf = await new THREE.GLTFLoader().parseAsync(bytes.buffer, "");
    const [skin, eye] = await Promise.all(["skin", "eye"].map((name) => textureOf(`${name}${i}`)));
    return new Face(clip, gltf, await bytesOf(`vertices${i}`), skin, eye);
  }

  constructor(clip, gltf, records, skin, eye) {
    this.clip = clip;
    this.scene = new THREE.Scene();
    this.scene.add(gltf.scene);
    this.shared = sharedLight(clip.look);
    this.meshes = [];
    this.bones = {};
    gltf.scene.traverse((node) => {
      if (node.isSkinnedMesh) this.meshes.push(node);
      if (node.isBone) this.bones[node.name] = node;
    });
    this.dress(records, skin, eye);
    this.names = Object.keys(this.meshes[0].morphTargetDictionary ?? {}); // a head may have no shapes at all
    this.index = new Map(this.names.map((name) => [name, this.meshes[0].morphTargetDictionary[name]]));
    this.beyond = new Map(this.names.map((name) => [name, this.targetsBeyond(name)]));
    this.readTracks(gltf.animations[0].tracks);
    this.weights = new Float32Array(this.names.length);
    this.sampled = new Float32Array(this.names.length);
    this.turns = {};
    this.middle = new THREE.Vector3();
    this.pose(clip.start, new Map());
    this.frameSubject();
  }

  dress(records, skin, eye) {
    const look = this.clip.look;
    const view = new DataView(records.buffer, records.byteOffset);
    this.wire = new THREE.Object3D();
    this.scene.add(this.wire);
    this.wire.visible = false;
    const lines = wireMaterial();
    let at = 0;
    this.meshes.forEach((mesh, m) => {
      const material = look.materials[m];
      const count = mesh.geometry.getAttribute("position").count;
      if (count !== material.vertices) throw new Error(`${material.name} has ${count} vertices, not ${material.vertices}`);
      const light = new Uint8Array(4 * count);
      const gaze = new Float32Array(2 * count);
      for (let v = 0; v < count; v++, at += RECORD) {
        light.set(new Uint8Array(records.buffer, records.byteOffset + at, 4), 4 * v);
        gaze[2 * v] = view.getFloat32(at + 4, true);
        gaze[2 * v + 1] = view.getFloat32(at + 8, true);
      }
      mesh.geometry.setAttribute("light", new THREE.BufferAttribute(light, 4, true));
      mesh.geometry.setAttribute("gaze", new THREE.BufferAttribute(gaze, 2));
      mesh.material = pieceMaterial(material, this.shared, skin, eye);
      mesh.frustumCulled = false; // its bounds are those at rest
      const wire = new THREE.SkinnedMesh(mesh.geometry, lines);
      wire.bind(mesh.skeleton, mesh.bindMatrix);
      wire.morphTargetInfluences = mesh.morphTargetInfluences;
      wire.morphTargetDictionary = mesh.morphTargetDictionary;
      wire.frustumCulled = false;
      wire.matrixAutoUpdate = wire.matrixWorldAutoUpdate = false;
      wire.matrixWorld = mesh.matrixWorld;
      this.wire.add(wire);
    });
  }

  /** Targets that hold what a component has beyond 0 and 1, [[place, what weight 1 adds]]. */
  targetsBeyond(name) {
    const beside = [`${name}_over`, `${name}_under`].filter((other) => this.index.has(other));
    return beside.flatMap((other) => (this.clip.beyond?.[other] ? [[this.index.get(other), this.clip.beyond[other]]] : []));
  }

  /** How low and how high a target's value goes. */
  reach(name) {
    return this.clip.reach?.[name] ?? [0, 1];
  }

  /** The value that weights, from place `at` on, give `name`. */
  valueOf(name, weights, at = 0) {
    return this.beyond.get(name).reduce((sum, [i, scale]) => sum + scale * weights[at + i], weights[at + this.index.get(name)]);
  }

  /** Sort the GLB's animation by what it drives. */
  readTracks(tracks) {
    this.curves = { weights: null, turns: {}, places: {} };
    for (const track of tracks) {
      const [, node, path] = track.name.match(/^(.*)\.(\w+)$/);
      const curve = track.createInterpolant();
      if (path === "morphTargetInfluences") this.curves.weights ??= { track, curve };
      if (path === "quaternion" && this.bones[node]) this.curves.turns[node] = curve;
      if (path === "position" && this.bones[node]) this.curves.places[node] = curve;
    }
  }

  /** The performance's own values of a target: {times, values}. */
  recorded(name) {
    const { times, values } = this.curves.weights.track;
    const own = times.filter((time) => time <= this.clip.last + 1e-4); // after them come those that stretch the rig
    return { times: own, values: own.map((_, key) => this.valueOf(name, values, key * this.names.length)) };
  }

  /** Show the face at time t; `edits(name, sampled)` gives a weight of one's own, or undefined. */
  pose(t, edits) {
    const time = Math.min(Math.max(t, this.clip.start), this.clip.last);
    if (this.curves.weights) this.sampled.set(this.curves.weights.curve.evaluate(time));
    this.weights.set(this.sampled);
    for (const [node, curve] of Object.entries(this.curves.turns)) this.turns[node] = Array.from(curve.evaluate(time));
    for (const [node, curve] of Object.entries(this.curves.places)) this.bones[node].position.fromArray(curve.evaluate(time));
    const wanted = new Map();
    if (typeof edits === "function") {
      for (const name of this.names) {
        const sampled = this.valueOf(name, this.sampled);
        const own = edits(name, sampled);
        if (own !== undefined && Math.abs(own - sampled) > 1e-6) wanted.set(name, own);
      }
    }
    override(this.weights, this.turns, this.index, wanted, this.clip);
    for (const [node, turn] of Object.entries(this.turns)) this.bones[node].quaternion.fromArray(turn);
    for (const mesh of this.meshes) mesh.morphTargetInfluences?.splice(0, Infinity, ...this.weights);
    this.scene.updateMatrixWorld(true);
    this.meshes[0].skeleton.update();
    this.follow();
  }

  /** Where a vertex of the page's [piece, vertex] is now, world metres. */
  vertex([piece, vertex], into = new THREE.Vector3()) {
    const mesh = this.meshes[piece];
    return mesh.getVertexPosition(vertex, into).applyMatrix4(mesh.matrixWorld);
  }

  /** Tell the light where lips, lids and eyes are. */
  follow() {
    const { lips, lids, gaze } = this.clip.look;
    const light = this.shared;
    lids.forEach((eye, side) => {
      [...eye.upper, ...eye.lower].forEach((place, i) => this.vertex(place, light.lids.value[18 * side + i]));
      const bone = this.bones[side === 0 ? "left_eye" : "right_eye"];
      light.eyeCentre.value[side].setFromMatrixPosition(bone.matrixWorld);
      light.eyeAxis.value[side].set(...gaze[side]).transformDirection(bone.matrixWorld);
    });
    this.lips = lips.map(([upper, lower]) => [this.vertex(upper), this.vertex(lower)]);
    if (this.lips.length > 1) this.measureMouth(light);
  }

  measureMouth(light) {
    const middles = this.lips.map(([a, b]) => a.clone().add(b).multiplyScalar(0.5));
    const gaps = this.lips.map(([a, b]) => a.distanceTo(b));
    let area = 0;
    for (let i = 1; i < gaps.length; i++) area += (0.5 * (gaps[i] + gaps[i - 1])) * middles[i].distanceTo(middles[i - 1]);
    const centre = new THREE.Vector3();
    const total = gaps.reduce((sum, gap) => sum + gap + 1e-6, 0);
    middles.forEach((middle, i) => centre.addScaledVector(middle, (gaps[i] + 1e-6) / total));
    const widest = gaps.indexOf(Math.max(...gaps));
    const across = middles[middles.length - 1].clone().sub(middles[0]);
    const up = this.lips[widest][0].clone().sub(this.lips[widest][1]).add(new THREE.Vector3(0, 1e-9, 0));
    const out = across.clone().cross(up).normalize();
    const forward = new THREE.Vector3(0, 0, 1).transformDirection(this.bones.neck.matrixWorld);
    if (out.dot(forward) < 0) out.negate();
    light.mouthArea.value = area;
    light.mouthCentre.value.copy(centre);
    light.mouthAcross.value.copy(across);
    light.mouthOut.value.copy(out);
  }

  /** Middle and size of the head as the first frame shows it, for cameras. */
  frameSubject() {
    const low = new THREE.Vector3(1, 1, 1).multiplyScalar(Infinity);
    const high = low.clone().negate();
    const at = new THREE.Vector3();
    const { count } = this.meshes[0].geometry.getAttribute("position");
    for (let v = 0; v < count; v += 7) {
      this.vertex([0, v], at);
      low.min(at);
      high.max(at);
    }
    low.y += 0.12 * (high.y - low.y); // a portrait leaves out some of the neck
    this.middle.addVectors(low, high).multiplyScalar(0.5);
    this.height = high.y - low.y;
  }
}

async function textureOf(id) {
  const bytes = await bytesOf(id);
  if (!bytes.length) return null;
  const texture = new THREE.Texture(await pictureOf(bytes));
  texture.colorSpace = THREE.SRGBColorSpace;
  texture.minFilter = THREE.LinearMipmapLinearFilter;
  texture.anisotropy = 8;
  texture.flipY = id.startsWith("eye"); // glTF's v runs down, gaze coordinates up
  texture.needsUpdate = true;
  return texture;
}
