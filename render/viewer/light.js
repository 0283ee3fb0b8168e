// How a head is lit: the studio of emberface's own pictures (render/shading.py) as shaders. Lamps go with the camera.
import * as THREE from "./three.js";

const MOVE = /* glsl */ `
  #include <beginnormal_vertex>
  #include <morphnormal_vertex>
  #include <skinbase_vertex>
  #include <skinnormal_vertex>
  #include <begin_vertex>
  #include <morphtarget_vertex>
  #include <skinning_vertex>
  vec4 world = modelMatrix * vec4(transformed, 1.0);`;

const PARS = /* glsl */ `
  #include <common>
  #include <morphtarget_pars_vertex>
  #include <skinning_pars_vertex>`;

const VERTEX = /* glsl */ `${PARS}
  attribute vec4 light; // sky seen at rest, gloss, dark from within
  attribute vec2 gaze; // of eyeballs, in iris radii
  uniform vec3 lids[36]; // upper then lower rim of the left eye, then of the right one
  uniform vec3 eyeCentre[2];
  uniform vec3 eyeAxis[2];
  uniform mat4 toKey; // world to the key lamp's map
  uniform sampler2D keyMap;
  uniform vec3 mouthCentre;
  uniform vec3 mouthAcross;
  uniform vec3 mouthOut;
  uniform float mouthArea;
  varying vec3 vPlace; // view axes
  varying vec3 vNormal;
  varying vec4 vLight; // sky seen, lamps seen, key lamp seen, gloss
  varying vec3 vGaze; // gaze coordinates, dark from within
  varying vec2 vUv;

  // The share of a soft lamp that nothing stands before
  float keySeen(vec3 place, vec3 normal) {
    vec3 at = (toKey * vec4(place + 0.0025 * normal, 1.0)).xyz * 0.5 + 0.5;
    float total = 0.0;
    for (int i = -3; i <= 3; i++) {
      for (int j = -3; j <= 3; j++) {
        float depth = texture2D(keyMap, at.xy + vec2(i, j) * (1.3 / 256.0)).r;
        total += clamp((depth - at.z) / KEY_SLACK + 1.0, 0.0, 1.0);
      }
    }
    return total / 49.0;
  }

  // Light between the lips: the form factor of a disc of the opening's area
  float throughLips(vec3 place) {
    vec3 away = place - mouthCentre;
    float depth = -dot(away, mouthOut);
    float along = clamp(dot(away, mouthAcross) / max(dot(mouthAcross, mouthAcross), 1e-12), -0.35, 0.35);
    float reach = length(away - along * mouthAcross);
    float beyond = max(reach - 0.008, 0.0);
    float share = mouthArea / (mouthArea + 0.75 * PI * (beyond * beyond + 0.12 * reach * reach) + 1e-9);
    float front = clamp(1.0 - (depth - 0.001) / 0.004, 0.0, 1.0);
    return max(share, front * front * (3.0 - 2.0 * front));
  }

  float near(vec3 place, int first) {
    float best = 1.0;
    for (int i = 0; i < 8; i++) {
      vec3 a = lids[first + i];
      vec3 b = lids[first + i + 1] - a;
      best = min(best, distance(place, a + clamp(dot(place - a, b) / max(dot(b, b), 1e-12), 0.0, 1.0) * b));
    }
    return best;
  }

  void main() {
    ${MOVE}
    vec3 normal = normalize(mat3(modelMatrix) * objectNormal);
    float seen = light.x;
    float direct = 1.0 - 0.45 * (1.0 - seen);
    float key = 1.0 - 0.8 * (1.0 - keySeen(world.xyz, normal));
    float gloss = light.y * 4.0 - 3.0;
    #ifdef INSIDE
      seen = direct = throughLips(world.xyz);
      key = 1.0;
    #endif
    #ifdef LIPS
      seen = max(seen, 0.7 * throughLips(world.xyz));
      direct = seen;
    #endif
    #ifdef EYE
      int side = position.x > 0.0 ? 0 : 1;
      vec3 outward = normalize(world.xyz - eyeCentre[side]);
      float bulge = 2.4 * clamp(1.25 - length(gaze), 0.0, 0.25);
      normal = normalize(outward + bulge * (outward - dot(outward, eyeAxis[side]) * eyeAxis[side]));
      float upper = near(world.xyz, 18 * side) / 0.0030;
      float lower = near(world.xyz, 18 * side + 9) / 0.0016;
      seen = direct = (1.0 - 0.62 * exp(-upper * upper)) * (1.0 - 0.35 * exp(-lower * lower));
    #endif
    vec4 place = viewMatrix * world;
    vPlace = place.xyz;
    vNormal = mat3(viewMatrix) * normal;
    vLight = vec4(seen, direct, key, gloss);
    vGaze = vec3(gaze, light.z);
    vUv = uv;
    gl_Position = projectionMatrix * place;
  }`;

const FRAGMENT = /* glsl */ `
  uniform vec3 lampDirection[3];
  uniform vec3 lampColour[3];
  uniform vec3 sky[2];
  uniform vec3 colour;
  uniform vec3 wrap;
  uniform float roughness;
  uniform float specular;
  uniform float coat;
  uniform float eyeExtent;
  uniform sampler2D picture;
  varying vec3 vPlace;
  varying vec3 vNormal;
  varying vec4 vLight;
  varying vec3 vGaze;
  varying vec2 vUv;

  vec3 encode(vec3 c) { // linear light to sRGB
    c = clamp(c, 0.0, 1.0);
    return mix(c * 12.92, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c));
  }

  // Where a ray that goes in at gaze coordinates meets the iris behind the cornea
  vec2 throughCornea(vec2 at, vec3 n, vec3 v) {
    float facing = clamp(dot(n, v), 0.0, 1.0);
    float deep = 0.0024 * max(1.0 - dot(at, at), 0.0) * min(3.0 * facing, 1.0);
    vec3 aside = -(v - facing * n) * (deep / 1.336 / sqrt(1.0 - (1.0 - facing * facing) / (1.336 * 1.336)));
    vec3 px = dFdx(vPlace), py = dFdy(vPlace);
    float xx = dot(px, px), xy = dot(px, py), yy = dot(py, py), det = xx * yy - xy * xy;
    if (det < 1e-22) return at;
    vec2 step = vec2(yy * dot(px, aside) - xy * dot(py, aside), xx * dot(py, aside) - xy * dot(px, aside)) / det;
    vec2 moved = step.x * dFdx(at) + step.y * dFdy(at);
    return at + clamp(moved, -0.5, 0.5);
  }

  void main() {
    vec3 n = normalize(vNormal);
    vec3 v = normalize(-vPlace);
    float seen = vLight.x, direct = vLight.y, key = vLight.z, gloss = vLight.w;
    vec3 base = colour;
    bool inside = false;
    #ifdef EYE
      vec2 at = throughCornea(vGaze.xy, n, v);
      base = texture2D(picture, 0.5 + 0.5 / eyeExtent * at).rgb;
    #endif
    #ifdef SKIN
      base *= texture2D(picture, vUv).rgb;
    #endif
    #ifdef INSIDE
      inside = true;
    #endif
    if (!gl_FrontFacing && dot(n, v) < -0.15) { // at a grazing angle it is the outline that shows, not the inside
      n = -n;
      if (vGaze.z > 0.5) { // the hollow of the head
        inside = true;
        base = vec3(0.10, 0.022, 0.018);
        seen = direct = 0.12;
        gloss = 0.0;
      }
    }
    float wet = coat + gloss * 0.02;
    float rough = roughness - gloss * 0.08;
    float alpha = rough * rough, a2 = alpha * alpha;
    float nv = max(dot(n, v), 0.05);
    float shine = (specular + (1.0 - specular) * pow(1.0 - nv, 5.0)) * (1.0 - 0.7 * rough) * seen * 0.7;
    if (inside) shine = 0.0;
    vec3 diffuse = mix(sky[1], sky[0], 0.5 + 0.5 * n.y) * seen;
    vec3 glossy = shine * mix(sky[1], sky[0], 0.5 + 0.5 * (2.0 * nv * n.y - v.y));
    for (int q = 0; q < 3; q++) {
      if (inside && q > 0) break;
      float open = q == 0 ? direct * key : q == 2 ? direct * seen * seen : direct;
      vec3 l = lampDirection[q];
      float nl = dot(n, l);
      // Lambert that reaches past the terminator, redder there
      diffuse += lampColour[q] * pow(max(nl + wrap, 0.0) / (1.0 + wrap), 1.0 + wrap) * open;
      if (nl <= 0.0) continue;
      vec3 h = normalize(l + v);
      float nh = clamp(dot(n, h), 0.0, 1.0), lh = max(dot(l, h), 0.0);
      float d = nh * nh * (a2 - 1.0) + 1.0;
      float fresnel = specular + (1.0 - specular) * pow(1.0 - lh, 5.0);
      float visible = 0.5 / (nl * (nv * (1.0 - alpha) + alpha) + nv * (nl * (1.0 - alpha) + alpha) + 1e-4);
      float gain = a2 / (d * d) * fresnel * visible * nl * open;
      if (wet > 0.0) {
        float c = nh * nh * (0.0036 - 1.0) + 1.0;
        gain += min(0.0036 / (c * c) * 0.25, 40.0) * wet * 0.03 * nl * open;
      }
      glossy += lampColour[q] * gain;
    }
    vec3 lit = base * diffuse + glossy;
    if (inside) lit *= vec3(1.10, 0.50 + 0.58 * sqrt(seen), 0.38 + 0.66 * sqrt(seen));
    lit = mix(lit, 1.0 - 0.16 / max(lit - 0.2, 1e-3), step(0.6, lit)); // a soft shoulder
    gl_FragColor = vec4(encode(lit), 1.0);
  }`;

const KEY_VERTEX = `${PARS}\nvoid main() {${MOVE}\ngl_Position = projectionMatrix * viewMatrix * world; }`;
const NOTHING = "void main() { gl_FragColor = vec4(1.0); }";
const WIRE_VERTEX = KEY_VERTEX.replace(/}$/, "gl_Position.z -= 2e-4 * gl_Position.w; }"); // before its surface
const WIRE = "void main() { gl_FragColor = vec4(0.03, 0.035, 0.04, 0.6); }";

const BOX_M = 0.22; // half a side of the key lamp's map
const DEEP_M = 1.2;
const SLACK_M = 0.004;

/** The uniforms that all materials of one face share. */
export function sharedLight(look) {
  const vectors = (count) => Array.from({ length: count }, () => new THREE.Vector3());
  return {
    lampDirection: { value: look.lamps.map((row) => new THREE.Vector3(...row.slice(0, 3))) },
    lampColour: { value: look.lamps.map((row) => new THREE.Vector3(...row.slice(3))) },
    sky: { value: look.sky.map((row) => new THREE.Vector3(...row)) },
    eyeExtent: { value: look.eyeExtent },
    lids: { value: vectors(36).map((place) => place.set(0, 0, 9)) }, // far away where no rims are known
    eyeCentre: { value: vectors(2) },
    eyeAxis: { value: vectors(2) },
    mouthCentre: { value: new THREE.Vector3() },
    mouthAcross: { value: new THREE.Vector3(1, 0, 0) },
    mouthOut: { value: new THREE.Vector3(0, 0, 1) },
    mouthArea: { value: 1 }, // wide open where no lips are known
    toKey: { value: new THREE.Matrix4() },
    keyMap: { value: null },
  };
}

/** The material of one piece of a head. */
export function pieceMaterial(material, shared, skin, eye) {
  const defines = { KEY_SLACK: (SLACK_M / DEEP_M).toFixed(6) };
  if (material.inside) defines.INSIDE = "";
  if (material.name === "lips") defines.LIPS = "";
  if (material.page === "eye") defines.EYE = "";
  if (material.page === "skin" && skin) defines.SKIN = "";
  return new THREE.ShaderMaterial({
    name: material.name,
    defines,
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    side: THREE.DoubleSide,
    uniforms: {
      ...shared,
      colour: { value: new THREE.Vector3(...material.colour) },
      wrap: { value: new THREE.Vector3(...material.wrap) },
      roughness: { value: material.roughness },
      specular: { value: material.specular },
      coat: { value: material.coat },
      picture: { value: material.page === "eye" ? eye : skin },
    },
  });
}

/** Lines over the surface. */
export const wireMaterial = () =>
  new THREE.ShaderMaterial({
    vertexShader: WIRE_VERTEX, fragmentShader: WIRE, wireframe: true, transparent: true, depthWrite: false,
  });

/** The map of what the key lamp sees: render it before the picture. */
export class KeyLamp {
  constructor() {
    this.target = new THREE.WebGLRenderTarget(256, 256);
    this.target.depthTexture = new THREE.DepthTexture(256, 256, THREE.UnsignedIntType);
    this.camera = new THREE.OrthographicCamera(-BOX_M, BOX_M, BOX_M, -BOX_M, 0, DEEP_M);
    this.material = new THREE.ShaderMaterial({
      vertexShader: KEY_VERTEX, fragmentShader: NOTHING, side: THREE.DoubleSide,
    });
  }

  /** Fill the map of `face` for a viewer at `camera`. */
  shine(renderer, face, camera) {
    const { toKey, keyMap, lampDirection } = face.shared;
    const direction = lampDirection.value[0].clone().transformDirection(camera.matrixWorld);
    this.camera.position.copy(face.middle).addScaledVector(direction, DEEP_M / 2);
    this.camera.lookAt(face.middle);
    this.camera.updateMatrixWorld();
    toKey.value.multiplyMatrices(this.camera.projectionMatrix, this.camera.matrixWorldInverse);
    keyMap.value = null; // a map cannot be read while it is drawn
    const lines = face.wire.visible;
    face.wire.visible = false;
    face.scene.overrideMaterial = this.material;
    renderer.setRenderTarget(this.target);
    renderer.clear();
    renderer.render(face.scene, this.camera);
    renderer.setRenderTarget(null);
    face.scene.overrideMaterial = null;
    face.wire.visible = lines;
    keyMap.value = this.target.depthTexture;
  }
}
